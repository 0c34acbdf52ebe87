//! Who can open a terminal, and by which lines of whose policy: every subject, not only those that an `ExecAccess` declares. Pure.
//!
//! A terminal takes two rights on the Application: `applications, get` and `exec, create`. A subject is one name: a user, a group, a token
//! of a project's role; or what holds for everybody. One person may be several of them, so a subject that has the second right only is
//! listed too, with those who have the first.

mod places;
mod subjects;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

pub use self::places::{Place, Question};
pub use self::subjects::{Reason, Step, Subject, SubjectKind};
use crate::argocd::instance::{NoServer, Server};
use crate::argocd::kinds::AppProject;
use crate::argocd::policy::{BrokenLine, Data, Policy};
use crate::argocd::{ARGOCD_CM, ARGOCD_RBAC_CM, EXEC_ENABLED, accounts, project};

/// What could be read, or why not.
pub type Read<T> = Result<T, String>;

/// What was seen of an instance.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its namespace.
    pub namespace: String,
    /// The data of argocd-cm; `None`: it does not exist.
    pub argocd_cm: Read<Option<Data>>,
    /// The data of argocd-rbac-cm; `None`: it does not exist.
    pub rbac_cm: Read<Option<Data>>,
    /// argocd-server.
    pub server: Read<Result<Server, NoServer>>,
    /// The AppProjects of its namespace.
    pub projects: Read<Vec<AppProject>>,
    /// The Applications of all namespaces.
    pub applications: Read<Vec<Place>>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The namespace of the instance.
    pub instance: String,
    /// Whether terminals are switched on at all; `None`: not known.
    pub terminals_enabled: Option<bool>,
    /// Whether nobody can be missing.
    pub complete: bool,
    /// What could not be read or decided, so that somebody may be missing, or that somebody is listed who cannot.
    pub unknown: Vec<String>,
    /// Each Application that is asked about.
    pub applications: Vec<Listed>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Who can open a terminal in one Application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The Application, as Argo CD's policy names it.
    pub application: String,
    /// Whether it exists; `None`: not known.
    pub exists: Option<bool>,
    /// Who can; `None`: not known at all.
    pub subjects: Option<Vec<Subject>>,
}

/// Finds out.
#[must_use]
pub fn who_can(seen: &Seen, question: &Question) -> Answer {
    let settings = seen.argocd_cm.as_ref().ok().cloned().flatten();
    let mut told = Told::default();
    told.unread(seen);
    let asked = places::asked(seen, question, &mut told);
    let server = seen.server.as_ref().ok().and_then(|server| server.as_ref().ok());
    let open = server.filter(|server| server.auth_disabled == Some(true));
    let policy = if open.is_some() { None } else { told.policy(seen) };
    let candidates = policy.as_ref().map(|policy| subjects::Candidates::of(policy, seen, settings.as_ref()));
    let mut applications = Vec::new();
    for (application, exists) in asked {
        let subjects = match (open, &candidates) {
            (Some(server), _) => Some(vec![Subject::without_authentication(&server.deployment)]),
            (None, candidates) => candidates.as_ref().map(|candidates| candidates.who_can(&application, &mut told)),
        };
        applications.push(Listed { application, exists, subjects });
    }
    let terminals_enabled = settings.as_ref().map(|data| data.get(EXEC_ENABLED).is_some_and(|value| value == "true"));
    told.remarks(seen, question, settings.as_ref(), terminals_enabled);
    let (unknown, notes) = (distinct(told.unknown), distinct(told.notes));
    Answer { instance: seen.namespace.clone(), terminals_enabled, complete: unknown.is_empty(), unknown, applications, notes }
}

fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}

/// What is told besides the list.
#[derive(Debug, Default)]
struct Told {
    unknown: Vec<String>,
    notes: Vec<String>,
}

impl Told {
    /// What could not be read, and what therefore is not known.
    fn unread(&mut self, seen: &Seen) {
        let namespace = &seen.namespace;
        let missed = [seen.argocd_cm.as_ref().err(), seen.rbac_cm.as_ref().err(), seen.projects.as_ref().err(), seen.applications.as_ref().err()];
        self.unknown.extend(missed.into_iter().flatten().cloned());
        if matches!(seen.argocd_cm, Ok(None)) {
            self.unknown.push(format!("there is no ConfigMap {ARGOCD_CM} in {namespace}; name the namespace of your Argo CD by --instance"));
        }
        match &seen.server {
            Err(why) => self.unknown.push(why.clone()),
            Ok(Err(NoServer::Missing)) => {
                self.unknown.push(format!("there is no argocd-server in {namespace}, so it is not known whether people must log in"));
            }
            Ok(Err(NoServer::Ambiguous(names))) => self.unknown.push(format!(
                "more than one Deployment of {namespace} looks like argocd-server ({}), so it is not known whether people must log in",
                names.join(", ")
            )),
            Ok(Ok(server)) if server.auth_disabled.is_none() => self.unknown.push(format!(
                "whether Deployment {} runs with --disable-auth, by which everybody could do everything, is set in an object that is not read here",
                server.deployment
            )),
            Ok(Ok(_)) => {}
        }
    }

    /// The policy that Argo CD has loaded, as far as it can be known.
    fn policy(&mut self, seen: &Seen) -> Option<Policy> {
        let data = match seen.rbac_cm.as_ref().ok()? {
            Some(data) => data.clone(),
            None => {
                self.unknown.push(format!(
                    "there is no ConfigMap {ARGOCD_RBAC_CM} in {}: an argocd-server that saw one keeps that policy in its memory until it is restarted",
                    seen.namespace
                ));
                Data::default()
            }
        };
        let projects = seen.projects.as_deref().unwrap_or_default();
        for project in projects {
            if let Err((role, why)) = project::loads(project) {
                let name = project.name();
                self.notes
                    .push(format!("AppProject {name}: Argo CD cannot load its role {role} ({why}) and goes on without all roles of that project"));
            }
        }
        let broken = |broken: BrokenLine| {
            self.unknown.push(format!("{broken}; while it is broken Argo CD loads no policy, and who may do what then is not known"));
        };
        Policy::new(&data, projects).map_err(broken).ok()
    }

    /// What is to be known of every such list.
    fn remarks(&mut self, seen: &Seen, question: &Question, settings: Option<&Data>, enabled: Option<bool>) {
        if enabled == Some(false) {
            self.notes.push(format!("terminals are off ({ARGOCD_CM} {EXEC_ENABLED}): nobody can open one now; this is who could once they are on"));
        }
        if settings.is_some_and(|settings| !accounts::identity_provider(settings)) {
            self.notes.push(format!(
                "{ARGOCD_CM} sets up no identity provider (dex.config, oidc.config): until one is there, only local accounts and tokens can log in"
            ));
        }
        self.notes.push("who is in a group is the identity provider's to say; a name in the policy may be nobody's".to_owned());
        self.notes.push(format!(
            "whoever may write {ARGOCD_RBAC_CM}, {ARGOCD_CM}, AppProjects or ExecAccess objects in {} can give himself a terminal, and is not listed",
            seen.namespace
        ));
        self.notes
            .push("the rest of the chain (argocd-server's rights in Kubernetes, admission, what stands in front of it) is not looked at".to_owned());
        if let Question::Namespace(namespace) = question {
            self.notes.push(format!(
                "who can exec in {namespace} by Kubernetes RBAC, without Argo CD, is not listed: that is whoever has `create` (before Kubernetes 1.35 also `get`) on pods/exec there"
            ));
            self.notes.push(format!(
                "counted are the Applications whose destination is {namespace} of https://kubernetes.default.svc or in-cluster, and those that say in their status that they have resources there"
            ));
        }
    }
}
