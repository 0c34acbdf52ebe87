//! What is asked of the API server about an agent: that it may do what is declared, and that it may not do what is not. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::SHIPPED;
use super::plan::Plan;
use super::rules::{Names, Right, Rules};
use super::wanted::{Place, Wanted};
use crate::api::Feature;
use crate::api::conditions::{Reason, Verdict};
use crate::api::live_status::Excess;
use crate::reconcile::plan::{Answer, Applied};

use super::outlook::Outlook;

/// One question: may the agent do this there?
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Where; empty: without a namespace, or in all.
    pub namespace: String,
    /// The API group; `*` in a question after a wildcard.
    pub group: String,
    /// The resource, with its subresource if any.
    pub resource: String,
    /// The verb.
    pub verb: String,
    /// To which object; empty: to any.
    pub name: String,
}

/// The answers of one round; `Err`: it could not be asked.
pub type Reviews = BTreeMap<Question, Result<Answer, String>>;

/// Rights that are found out about although nobody declares them, the widest first, with what is said of one that holds.
const NEGATIVE: [(&str, &str, &str, Reason); 5] = [
    ("*", "*", "get", Reason::HoldsWildcard),
    ("", "pods/exec", "create", Reason::HoldsExec),
    ("", "pods/exec", "get", Reason::HoldsExec),
    ("", "secrets", "get", Reason::HoldsSecrets),
    ("apps", "deployments", "patch", Reason::HoldsWrite),
];

fn question(namespace: &str, right: &Right, name: &str) -> Question {
    let Right { group, resource, verb } = right;
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    Question { namespace, group: group.clone(), resource: resource.clone(), verb: verb.clone(), name }
}

/// One name stands for all that one rule has: they are allowed together or not at all.
fn of_rules<'a>(namespace: &'a str, rules: &'a Rules) -> impl Iterator<Item = Question> + 'a {
    rules.iter().map(move |(right, names)| {
        let name = if let Names::Only(some) = names { some.first().map(String::as_str) } else { None };
        question(namespace, right, name.unwrap_or_default())
    })
}

fn of_features(namespace: &str, place: &Place) -> Vec<Question> {
    let rights = |feature: Feature| -> &[(&str, &str)] {
        match feature {
            Feature::Events => &[("events", "list")],
            Feature::Logs => &[("pods/log", "get")],
            Feature::Terminal => &[("pods/exec", "get"), ("pods/exec", "create")],
            _ => &[],
        }
    };
    let shipped = SHIPPED.iter().filter(|(feature, _)| place.features.contains(feature)).flat_map(|(feature, _)| rights(*feature));
    shipped.filter_map(|(resource, verb)| Some(question(namespace, &Right::new("", resource, verb)?, ""))).collect()
}

/// What must be allowed in a namespace for what is granted there.
fn of_place<'a>(namespace: &'a str, place: &'a Place) -> impl Iterator<Item = Question> + 'a {
    of_rules(namespace, &place.rules).chain(of_features(namespace, place))
}

/// What must be allowed for this.
fn positive(wanted: &Wanted) -> BTreeSet<Question> {
    of_rules("", &wanted.cluster).chain(wanted.namespaces.iter().flat_map(|(namespace, place)| of_place(namespace, place))).collect()
}

/// What of it must be in one namespace; the empty name: without a namespace, or in all.
fn positive_in(wanted: &Wanted, namespace: &str) -> BTreeSet<Question> {
    let without = of_rules("", &wanted.cluster).filter(|_| namespace.is_empty());
    without.chain(wanted.namespaces.get(namespace).into_iter().flat_map(|place| of_place(namespace, place))).collect()
}

fn ask_negative(namespace: &str) -> [(Question, Reason); NEGATIVE.len()] {
    NEGATIVE.map(|(group, resource, verb, reason)| {
        let (group, resource, verb) = (group.to_owned(), resource.to_owned(), verb.to_owned());
        (Question { namespace: namespace.to_owned(), group, resource, verb, name: String::new() }, reason)
    })
}

/// Rights in a namespace that are worth a word wherever an agent has them and nobody says so.
#[must_use]
pub fn excessive(namespace: &str) -> Vec<Question> {
    ask_negative(namespace).into_iter().map(|(asked, _)| asked).collect()
}

/// What must not be allowed: in each namespace that is granted, in one that is protected, in one of which nothing is said, and in all at
/// once.
fn negative(outlook: &Outlook, union: &Wanted) -> Vec<(Question, Reason)> {
    // The agent's own install may well have rights in its own namespace.
    let own = outlook.access.metadata.namespace.as_deref();
    let protected = outlook.protected.iter().map(String::as_str).find(|namespace| Some(*namespace) != own);
    let places: BTreeSet<&str> =
        outlook.wanted.namespaces.keys().map(String::as_str).chain(protected).chain(outlook.undeclared.as_deref()).chain([""]).collect();
    let undeclared = |namespace: &str| {
        let declared = positive_in(union, namespace);
        ask_negative(namespace).into_iter().filter(move |(asked, _)| !declared.contains(asked))
    };
    places.into_iter().flat_map(undeclared).collect()
}

/// What the statuses of these objects need answers to.
#[derive(Clone, Debug, Default)]
pub struct ToReview {
    /// What must be allowed: it is granted.
    pub granted: BTreeSet<Question>,
    /// What must not be.
    pub excessive: BTreeSet<Question>,
}

impl ToReview {
    /// Every question; what must not be allowed first: nobody tells when somebody else gives it.
    pub fn all(&self) -> impl Iterator<Item = &Question> {
        self.excessive.iter().chain(self.granted.difference(&self.excessive))
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, question: &Question) -> bool {
        self.excessive.contains(question) || self.granted.contains(question)
    }
}

/// What has to be asked for the statuses of a plan.
#[must_use]
pub fn to_review(plan: &Plan<Applied>) -> ToReview {
    let effective = || plan.outlooks.iter().filter(|o| o.effective);
    ToReview {
        granted: effective().flat_map(|o| positive(&o.wanted)).collect(),
        excessive: effective().flat_map(|o| negative(o, &plan.union)).map(|(asked, _)| asked).collect(),
    }
}

/// Whether all of it is allowed in a namespace; `None`: not everything was answered.
#[must_use]
pub fn is_proven(namespace: &str, place: &Place, reviews: &Reviews) -> Option<bool> {
    let answers: Vec<Option<bool>> = of_place(namespace, place).map(|q| reviews.get(&q)?.as_ref().ok().map(|a| a.allowed)).collect();
    if answers.contains(&Some(false)) { Some(false) } else { answers.into_iter().collect::<Option<Vec<bool>>>().map(|_| true) }
}

fn show(asked: &Question) -> String {
    let group = if asked.group.is_empty() { String::new() } else { format!(".{}", asked.group) };
    let place = if asked.namespace.is_empty() { "the cluster" } else { asked.namespace.as_str() };
    format!("{} {}{group} in {place}", asked.verb, asked.resource)
}

/// `AccessProven`.
#[must_use]
pub fn proof(outlook: &Outlook, reviews: &Reviews) -> Verdict {
    let asked = positive(&outlook.wanted);
    let denied: Vec<String> = asked.iter().filter(|q| matches!(reviews.get(*q), Some(Ok(answer)) if !answer.allowed)).map(show).collect();
    if !denied.is_empty() {
        return Verdict::no(Reason::Denied, format!("the agent may not: {}", denied.iter().take(3).cloned().collect::<Vec<_>>().join(", ")));
    }
    let failed = asked.iter().find_map(|q| match reviews.get(q) {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(format!("the review of {} failed: {error}", show(q))),
        None => Some(format!("{} was not reviewed yet", show(q))),
    });
    match failed {
        Some(message) => Verdict::unknown(Reason::NotChecked, message),
        None => Verdict::yes(Reason::Proven, format!("{} right(s) proven by SubjectAccessReview", asked.len())),
    }
}

/// `Confined`, and what is too much. Of what the agent's own namespace has by its own install nothing is said.
#[must_use]
pub fn confinement(outlook: &Outlook, union: &Wanted, reviews: &Reviews) -> (Verdict, Vec<Excess>) {
    let mut excess = Vec::new();
    let (mut worst, mut unanswered) = (None::<Reason>, false);
    for (asked, reason) in negative(outlook, union) {
        match reviews.get(&asked) {
            Some(Ok(answer)) if answer.allowed => {
                let order = |reason: Reason| NEGATIVE.iter().position(|(.., r)| *r == reason);
                worst = Some(worst.filter(|worst| order(*worst) <= order(reason)).unwrap_or(reason));
                let Question { namespace, resource, verb, .. } = asked;
                excess.push(Excess { verb, resource, namespace, by: crate::api::conditions::shorten(&answer.reason, 256) });
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => unanswered = true,
        }
    }
    excess.sort();
    let verdict = match (worst, unanswered) {
        (Some(reason), _) => {
            let by = excess.first().map(|e| e.by.clone()).unwrap_or_default();
            Verdict::no(reason, format!("the agent may do more than any object declares ({} finding(s), status.excess): {by}", excess.len()))
        }
        (None, true) => Verdict::unknown(Reason::NotChecked, "not everything was reviewed yet"),
        (None, false) => Verdict::yes(
            Reason::OnlyDeclared,
            "by review in the granted namespaces, a protected one, one of which nothing is declared, and the whole cluster; per agent, not per person: that is decided by Argo CD's policy in the control plane",
        ),
    };
    (verdict, excess)
}
