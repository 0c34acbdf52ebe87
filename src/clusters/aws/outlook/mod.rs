//! What one `ClusterAccess` of EKS comes to: what is to be put out for it, and what is to be said of it. Pure.
//!
//! ```text
//! let outlook = outlook(&input, &seen);
//! apply outlook.objects (in their order), delete outlook.surplus (in its order), write outlook.config_map and outlook.aws_auth,
//! put outlook.config into the cluster Secret, report outlook.verdict as AWSReady
//! ```
//!
//! The hub is a fold over all objects of the instance, so that whichever of them is looked at says the same of it. An object that does not
//! stand any more has nothing of its own left, and the fold goes on without it.

mod made;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::arn::{self, Role};
use super::auth::{self, Edit, Entry, Refusal};
use super::documents::POLICY_NAME;
use super::fold::{Folded, ServiceAccounts, fold};
use super::objects::{Key, Kind, Mark, Object, standing};
use super::text;
use crate::api::ClusterAccess;
use crate::api::cluster_aws::{Aws, Mapping, Output};
use crate::api::conditions::{Reason, Verdict};

/// What is declared.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The object.
    pub access: &'a ClusterAccess,
    /// Whether it takes effect: accepted, not being deleted, not only observing. Windows make no difference: what it is in AWS stays.
    pub stands: bool,
    /// All objects of the instance that take effect, this one among them if it does.
    pub all: &'a [&'a ClusterAccess],
    /// Whether there is one that cannot be read. Then nothing that several have in common is narrowed.
    pub unreadable: bool,
    /// The namespace of the instance.
    pub namespace: &'a str,
    /// Argo CD's ServiceAccounts as they are seen.
    pub accounts: &'a ServiceAccounts,
}

/// What is seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Objects of the kinds of [`Kind`] that carry the label of the instance, or have a name that ours would have.
    pub objects: BTreeMap<Key, Value>,
    /// The kinds that the hub does not know.
    pub no_kinds: BTreeSet<Kind>,
    /// The data of all ConfigMaps of ours in the instance with documents for AWS.
    pub config_maps: Vec<BTreeMap<String, String>>,
    /// The data of `kube-system/aws-auth` of the remote cluster.
    pub aws_auth: AwsAuthSeen,
}

/// `kube-system/aws-auth` of the remote cluster, as it is seen. It is needed where an object has `mapping: AwsAuth`, or had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwsAuthSeen {
    /// It was not looked at, for this reason.
    #[default]
    NotAsked,
    /// It cannot be read now, for this reason.
    Unread(String),
    /// It is not there.
    Absent,
    /// Its data.
    Data(BTreeMap<String, String>),
}

/// What is to be done, and said.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The data of the ConfigMap of the object; `None`: it has none.
    pub config_map: Option<BTreeMap<String, String>>,
    /// Objects to be applied, in their order: those of the hub and those of this object.
    pub objects: Vec<Object>,
    /// Objects to be deleted, in their order.
    pub surplus: Vec<Key>,
    /// What becomes of `kube-system/aws-auth`.
    pub aws_auth: AwsAuth,
    /// For the cluster Secret; `None`: nobody is to come by it.
    pub config: Option<AwsAuthConfig>,
    /// Who Argo CD is in the remote cluster.
    pub subject: Option<Subject>,
    /// `AWSReady`.
    pub verdict: Verdict,
}

/// What becomes of `kube-system/aws-auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsAuth {
    /// Nothing: it is as it should be, or it is not our business.
    Unchanged,
    /// Its `mapRoles` becomes this.
    Set(String),
    /// Somebody else has the same entry, and keeps it.
    External,
    /// It is left alone.
    Refused(Refusal),
    /// It is needed, and not there.
    Absent,
    /// It is needed, and was not seen.
    Unread(String),
}

/// `awsAuthConfig` of a cluster Secret, as Argo CD spells it.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AwsAuthConfig {
    /// The name of the remote cluster: the token is bound to it.
    pub cluster_name: String,
    /// The role that Argo CD assumes on its way.
    #[serde(rename = "roleARN", skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// Who Argo CD is in the remote cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user, as far as it is known: with an access entry it ends in the name of the session. Rights come by the group alone.
    pub user: String,
    /// The group.
    pub group: String,
}

/// Makes it.
#[must_use]
pub fn outlook(input: &Input<'_>, seen: &Seen) -> Outlook {
    let Some(aws) = &input.access.spec.aws else {
        return Outlook {
            config_map: None,
            objects: Vec::new(),
            surplus: Vec::new(),
            aws_auth: AwsAuth::Unchanged,
            config: None,
            subject: None,
            verdict: Verdict::yes(Reason::NotApplicable, "the credential is not one of EKS"),
        };
    };
    let uid = input.access.metadata.uid.clone().unwrap_or_default();
    let folded = fold(input.all, input.namespace, input.accounts);
    let own = input.stands && folded.as_ref().is_some_and(|folded| !folded.disagree.contains_key(&uid));
    let case = Case { input, seen, aws, uid: &uid, folded: folded.as_ref(), own, entry: entry(aws) };
    let made = made::made(&case);
    let aws_auth = case.aws_auth();
    let verdict = verdict::verdict(&case, &made, &aws_auth);
    Outlook {
        config_map: case.config_map(),
        objects: made.objects,
        surplus: made.surplus,
        aws_auth,
        config: own.then(|| config(aws)),
        subject: own.then(|| subject(aws)),
        verdict,
    }
}

/// One object among all.
struct Case<'a> {
    input: &'a Input<'a>,
    seen: &'a Seen,
    aws: &'a Aws,
    uid: &'a str,
    folded: Option<&'a Folded>,
    /// Whether it contributes.
    own: bool,
    entry: Result<Entry, Refusal>,
}

impl<'a> Case<'a> {
    /// The mark of what belongs to the instance.
    fn hub_mark(&self) -> Mark<'a> {
        Mark { instance: self.input.namespace, owner: None }
    }

    /// The mark of what belongs to the object.
    fn own_mark(&self) -> Mark<'a> {
        Mark { instance: self.input.namespace, owner: Some(self.uid) }
    }

    /// The roles that the hub's role may assume. While an object cannot be read, those stay that it may have asked for.
    fn spokes(&self, folded: &Folded) -> BTreeSet<String> {
        let mut arns: BTreeSet<String> = folded.spokes.iter().map(Role::arn).collect();
        if self.input.unreadable {
            let objects = self.seen.objects.iter().filter(|(_, object)| self.hub_mark().is_on(object));
            let in_objects = objects.filter_map(|(key, object)| standing::policy(key.kind, object, POLICY_NAME));
            let in_texts = self.seen.config_maps.iter().filter_map(|data| data.get(text::HUB_POLICY)).map(String::as_str);
            arns.extend(in_objects.chain(in_texts).flat_map(roles_of));
        }
        arns
    }

    fn config_map(&self) -> Option<BTreeMap<String, String>> {
        let folded = self.folded.filter(|_| self.own && self.aws.output == Output::Text)?;
        Some(text::data(self.aws, &folded.hub, &self.spokes(folded), self.input.accounts, self.entry.as_ref().ok()))
    }

    fn aws_auth(&self) -> AwsAuth {
        let wanted = match (self.own && self.aws.mapping == Mapping::AwsAuth, &self.entry) {
            (true, Ok(entry)) => Some(entry),
            (true, Err(refusal)) => return AwsAuth::Refused(refusal.clone()),
            (false, _) => None,
        };
        let data = match &self.seen.aws_auth {
            AwsAuthSeen::Data(data) => data,
            AwsAuthSeen::NotAsked if wanted.is_some() => return AwsAuth::Unread("it was not looked at yet".to_owned()),
            AwsAuthSeen::Unread(why) if wanted.is_some() => return AwsAuth::Unread(why.clone()),
            AwsAuthSeen::Absent if wanted.is_some() => return AwsAuth::Absent,
            AwsAuthSeen::NotAsked | AwsAuthSeen::Unread(_) | AwsAuthSeen::Absent => return AwsAuth::Unchanged,
        };
        // Where there is nothing of ours, nobody needs to hear that it cannot be read.
        if wanted.is_none() && !data.get(auth::KEY).is_some_and(|text| text.contains(self.uid)) {
            return AwsAuth::Unchanged;
        }
        match auth::map_roles(data).and_then(|text| auth::edit(text, self.uid, wanted)) {
            Ok(Edit::Unchanged) => AwsAuth::Unchanged,
            Ok(Edit::External) => AwsAuth::External,
            Ok(Edit::Set(text)) => AwsAuth::Set(text),
            Err(refusal) => AwsAuth::Refused(refusal),
        }
    }
}

/// The roles that a policy of ours names.
fn roles_of(policy: &str) -> Vec<String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy.get("Statement").and_then(Value::as_array).into_iter().flatten();
    let resources = statements.filter_map(|statement| statement.get("Resource")?.as_array()).flatten();
    resources.filter_map(Value::as_str).filter(|arn| arn::is_plain_role(arn)).map(ToOwned::to_owned).collect()
}

/// Who comes to the remote cluster: the spoke role, or the hub's own.
fn principal(aws: &Aws) -> Role {
    Role::of_spoke(aws).unwrap_or_else(|| Role::of_hub(&aws.hub))
}

fn entry(aws: &Aws) -> Result<Entry, Refusal> {
    Entry::new(&principal(aws).arn(), &aws.group)
}

fn config(aws: &Aws) -> AwsAuthConfig {
    AwsAuthConfig { cluster_name: aws.spoke.cluster_name.clone(), role_arn: Role::of_spoke(aws).map(|role| role.arn()) }
}

fn subject(aws: &Aws) -> Subject {
    let role = principal(aws);
    let user = match aws.mapping {
        Mapping::AwsAuth => role.arn(),
        Mapping::AccessEntry | Mapping::None => {
            format!("arn:{}:sts::{}:assumed-role/{}/", role.partition.as_str(), role.account_id, role.name)
        }
    };
    Subject { user, group: aws.group.clone() }
}
