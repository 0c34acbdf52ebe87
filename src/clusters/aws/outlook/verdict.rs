//! What `AWSReady` says. Pure.

use super::made::Made;
use super::{AwsAuth, Case};
use crate::api::cluster_aws::{Mapping, Output};
use crate::api::conditions::{Reason, Verdict};
use crate::clusters::aws::arn::{self, Role};
use crate::clusters::aws::documents::{self, MOST_INLINE};
use crate::clusters::aws::evaluate::{self, Finding};
use crate::clusters::aws::fold::{Disagreement, Folded, Source};
use crate::clusters::aws::objects::standing::{self, Standing};
use crate::clusters::aws::text::{ROLE_ANNOTATION, values};
use crate::clusters::names;

pub(super) fn verdict(case: &Case<'_>, made: &Made, aws_auth: &AwsAuth) -> Verdict {
    let Some(folded) = case.folded.filter(|_| case.input.stands) else {
        return if made.surplus.is_empty() {
            Verdict::no(Reason::Withdrawn, "nothing is put out for this object now")
        } else {
            Verdict::no(Reason::Withdrawn, format!("{} still has to go", listed(&made.surplus)))
        };
    };
    let first = [
        disagreement(case, folded),
        too_wide(case, folded),
        too_large(case, folded),
        controllers(case, made),
        not_attached(case, folded),
        mapped(case, aws_auth),
    ];
    first.into_iter().flatten().next().unwrap_or_else(|| {
        let notes = notes(case, folded, aws_auth);
        match case.aws.output {
            Output::Text => {
                let name = names::aws_config_map(case.input.access.cluster());
                Verdict::yes(
                    Reason::Rendered,
                    format!("the documents are in the ConfigMap {name}; whether AWS has them is not seen from here{notes}"),
                )
            }
            Output::Ack | Output::Crossplane => {
                Verdict::yes(Reason::Applied, format!("the controllers have made {} object(s) in AWS{notes}", made.standings.len()))
            }
        }
    })
}

fn listed(keys: &[impl ToString]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn disagreement(case: &Case<'_>, folded: &Folded) -> Option<Verdict> {
    let why = match folded.disagree.get(case.uid)? {
        Disagreement::Hub => format!(
            "Argo CD has one identity in AWS, and {} is older and says something else of aws.hub, aws.output or the hub's permissionsBoundary; \
             say the same",
            folded.decided_by
        ),
        Disagreement::SpokeIsHub => "aws.spoke.role is the hub's own role; leave it out, and the hub's role comes directly".to_owned(),
        Disagreement::SpokeOf(other) => format!("the role of aws.spoke is made for {other} already; each needs one of its own"),
    };
    Some(Verdict::no(Reason::Conflict, why))
}

/// Whether somebody else may come, as far as it is seen.
fn too_wide(case: &Case<'_>, folded: &Folded) -> Option<Verdict> {
    let hub = &folded.hub;
    if hub.service_accounts.contains("default") {
        let why = "Argo CD runs as the ServiceAccount default, which every pod of the namespace has that names none; give it one of its own";
        return Some(Verdict::no(Reason::TrustTooWide, why));
    }
    for (key, object) in case.seen.objects.iter().filter(|(key, _)| key.kind.is_role() && key.kind.output() == hub.output) {
        let findings = match standing::trust(key.kind, object) {
            Some(trust) if case.hub_mark().is_on(object) => evaluate::hub(trust, hub),
            Some(trust) if case.own_mark().is_on(object) => evaluate::spoke(trust, hub),
            _ => continue,
        };
        if let Some(wide) = findings.iter().find(|finding| matches!(finding, Finding::TooWide(_))) {
            return Some(Verdict::no(Reason::TrustTooWide, format!("{key}: {wide}")));
        }
        if hub.output == Output::Crossplane
            && let Some(narrow) = findings.first()
        {
            return Some(Verdict::no(Reason::WaitingForARN, format!("{key}: AWS has not its trust policy yet: {narrow}")));
        }
    }
    None
}

fn too_large(case: &Case<'_>, folded: &Folded) -> Option<Verdict> {
    // The longest trust policy that names allow is within what AWS takes.
    let policy = documents::hub_policy_of(&folded.hub, &case.spokes(folded))?.size();
    (policy > MOST_INLINE).then(|| {
        let why = format!("the policy of the hub's role has {policy} characters, and AWS takes {MOST_INLINE}; shorter names of roles help");
        Verdict::no(Reason::PolicyTooLarge, why)
    })
}

fn controllers(case: &Case<'_>, made: &Made) -> Option<Verdict> {
    let of = |rank: fn(&Standing) -> bool| made.standings.iter().find(|(_, standing)| rank(standing));
    if let Some((key, _)) = of(|standing| *standing == Standing::NoKind) {
        let (api_version, _, plural) = key.kind.names();
        let group = api_version.split_once('/').map_or(api_version, |(group, _)| group);
        let who =
            if case.aws.output == Output::Ack { "ACK's controllers for IAM and EKS" } else { "Crossplane's provider-upjet-aws for IAM and EKS" };
        return Some(Verdict::no(
            Reason::ControllerMissing,
            format!("the cluster does not know {plural}.{group}; install {who}, or set aws.output to Text"),
        ));
    }
    if let Some((key, _)) = of(|standing| *standing == Standing::Foreign) {
        return Some(Verdict::no(Reason::ForeignObject, format!("{key} is somebody else's and stands where ours would be; rename or remove it")));
    }
    if let Some((_, Standing::Failed(why))) = of(|standing| matches!(standing, Standing::Failed(_))) {
        return Some(Verdict::no(Reason::ControllerError, why.clone()));
    }
    if !made.surplus.is_empty() {
        return Some(Verdict::no(Reason::Pending, format!("{} has to go first", listed(&made.surplus))));
    }
    let (key, standing) = of(|standing| *standing != Standing::Made)?;
    let why = match standing {
        Standing::Waiting(why) => why.clone(),
        _ => format!("{key} is not made yet"),
    };
    Some(Verdict::no(Reason::WaitingForARN, why))
}

/// Whether the ServiceAccounts have the role, as far as their annotations say it.
fn not_attached(case: &Case<'_>, folded: &Folded) -> Option<Verdict> {
    let role = folded.hub.role.arn();
    let annotated = |name: &str, key: &str| {
        let all = case.input.accounts.each();
        all.into_iter().find(|(_, one)| one.name == name).and_then(|(_, one)| one.annotations.as_ref()).and_then(|all| all.get(key)).cloned()
    };
    for (component, account) in case.input.accounts.each() {
        let name = &account.name;
        if account.annotations.is_none() {
            // Not every Argo CD has ApplicationSets.
            if component == "applicationSet" {
                continue;
            }
            return Some(Verdict::no(Reason::IdentityNotAttached, format!("the ServiceAccount {name} does not exist")));
        }
        let found = annotated(name, ROLE_ANNOTATION);
        let why = match (&folded.hub.source, found) {
            (Source::Irsa { .. }, Some(found)) if found == role => match annotated(name, "eks.amazonaws.com/audience") {
                Some(other) if other != documents::AUDIENCE => format!("its tokens are for {other}, not for {}", documents::AUDIENCE),
                _ => continue,
            },
            (Source::Irsa { .. }, found) => {
                let found = found.map_or_else(|| "is missing".to_owned(), |found| format!("is {found}"));
                let values = values(&role, case.input.accounts);
                format!("its annotation {ROLE_ANNOTATION} {found}. Values for Argo CD's chart (then its pods must restart):\n{values}")
            }
            (Source::PodIdentity { .. }, Some(found)) => {
                format!("its annotation {ROLE_ANNOTATION} gives it {found}, which goes before the association; remove it and restart the pods")
            }
            (Source::PodIdentity { .. }, None) => continue,
        };
        return Some(Verdict::no(Reason::IdentityNotAttached, format!("the ServiceAccount {name} does not get the role {role}: {why}")));
    }
    None
}

fn mapped(case: &Case<'_>, aws_auth: &AwsAuth) -> Option<Verdict> {
    match aws_auth {
        AwsAuth::Refused(refusal) => Some(Verdict::no(refusal.reason(), refusal.to_string())),
        AwsAuth::Absent => {
            let why = "the remote cluster has no ConfigMap kube-system/aws-auth; set aws.mapping to AccessEntry";
            Some(Verdict::no(Reason::AwsAuthUnparsable, why))
        }
        AwsAuth::Unread(why) => Some(Verdict::unknown(Reason::NotReadable, format!("kube-system/aws-auth of the remote cluster: {why}"))),
        AwsAuth::Set(_) if case.aws.mapping == Mapping::AwsAuth => {
            Some(Verdict::unknown(Reason::Pending, "the entry in kube-system/aws-auth is not written yet"))
        }
        AwsAuth::Set(_) | AwsAuth::Unchanged | AwsAuth::External => None,
    }
}

/// What holds and still should be known.
fn notes(case: &Case<'_>, folded: &Folded, aws_auth: &AwsAuth) -> String {
    let mut notes = Vec::new();
    if case.aws.permissions_boundary.is_some() {
        let roles = [Some(folded.hub.role.clone()), Role::of_spoke(case.aws)].into_iter().flatten();
        let without = roles.filter(|role| arn::boundary(case.aws, &role.account_id).is_none());
        notes.extend(without.map(|role| format!("the permissions boundary is one of another account and not put on {}", role.arn())));
    }
    if case.aws.mapping == Mapping::None {
        notes.push("how the remote cluster knows the role is kept by others".to_owned());
    }
    if *aws_auth == AwsAuth::External {
        notes.push("the entry in kube-system/aws-auth is not marked as ours, and stays when this object goes".to_owned());
    }
    if case.input.unreadable {
        notes.push("an object of the instance cannot be read, so that the hub's role keeps what it had".to_owned());
    }
    notes.into_iter().fold(String::new(), |all, note| all + "; " + &note)
}
