//! Our evaluation of policies against Argo CD's own, on generated ones: other ones in each run. A failure names the seed that makes them
//! again (`ARGOCD_ACCESS_SEED`).

use argocd_access::argocd::policy::{Outcome, Person, Policy, Request as Asked};

use super::dice::Dice;
use super::generated::{data, projects, read, request};
use super::support::policyjudge::{Judge, Request};

/// So many requests are compared, so many of them about one policy.
const REQUESTS: usize = 100_000;
const OF_ONE: usize = 250;

/// What we answer.
pub fn ours(policy: &Policy, request: &Request) -> Outcome {
    let person = if request.anonymous { Person::Anonymous } else { Person::User { id: &request.user, groups: &request.groups } };
    policy.decide(&Asked { person, resource: &request.resource, action: &request.action, object: &request.object }).outcome
}

#[test]
fn every_request_is_decided_as_argo_cd_decides_it() {
    let mut dice = Dice::thrown();
    let seed = dice.seed();
    let mut judge = Judge::start();
    let (mut asked, mut allowed, mut broken, mut undecided) = (0, 0, 0, 0);
    while asked < REQUESTS {
        let (data, projects) = (data(&mut dice), projects(&mut dice));
        let requests: Vec<Request> = (0..OF_ONE).map(|_| request(&mut dice)).collect();
        let theirs = judge.allowed(&data, &projects, &requests);
        let policy = Policy::new(&data, &read(&projects));
        let context = |what: &dyn std::fmt::Debug| format!("seed {seed}: {what:?}\n{data:#?}\n{projects:#?}");
        let (theirs, policy) = match (theirs, policy) {
            (Ok(theirs), Ok(policy)) => (theirs, policy),
            (Err(_), Err(_)) => {
                broken += 1;
                continue;
            }
            (theirs, ours) => panic!("{}", context(&(theirs.err(), ours.err()))),
        };
        for (request, theirs) in requests.iter().zip(theirs) {
            asked += 1;
            match ours(&policy, request) {
                Outcome::Undecided => undecided += 1,
                outcome => assert_eq!(outcome == Outcome::Allowed, theirs, "{}", context(request)),
            }
            allowed += usize::from(theirs);
        }
    }
    assert!(allowed > asked / 20 && allowed < asked * 19 / 20, "{allowed} of {asked} allowed");
    assert!(broken > 2 && undecided == 0, "{broken} broken, {undecided} undecided");
}
