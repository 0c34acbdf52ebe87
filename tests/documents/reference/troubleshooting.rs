//! From a symptom to its cause: the table by which terminals and live resources are explained, ordered as people meet it.

use argocd_access::explain::{Cause, InstallationCause, LiveCause, Name};

use crate::{
    head,
    table::{code, table},
};

/// What no symptom belongs to.
const UNTOLD: &str = "what cannot be told from here";

pub fn page() -> String {
    let mut page = head("Every known cause, by symptom", "src/explain/causes");
    page += "What people see when a terminal does not open or a live resource does not come, and everything that is known to lead to it. Causes of\n";
    page += "one symptom stand in the order in which a request comes to them: the first that holds is the one to mend. The names in the first\n";
    page += "column are stable.\n\n";
    page += "[Finding out which one it is](../how-to/troubleshooting.md) · [conditions and reasons](conditions.md)\n\n";
    page += "## Terminals\n\nAs `argocd-access explain terminal` looks for them, in the cluster of Argo CD.\n\n";
    symptoms(&mut page, &Cause::TERMINAL);
    page += "## Live resources through argocd-agent\n\nAs `argocd-access explain live` looks for them, in the cluster of the agent; `principal`, `redis` and\n`network` are in the control plane.\n\n";
    symptoms(&mut page, &LiveCause::ALL.map(Cause::Live));
    page += "## The operator itself\n\nAs `argocd-access explain installation` looks for them, which is what `helm test` runs in the cluster.\n\n";
    symptoms(&mut page, &InstallationCause::ALL.map(Cause::Installation));
    page.trim_end().to_owned() + "\n"
}

/// By the first cause of each symptom; what explain cannot tell comes last.
fn symptoms(page: &mut String, causes: &[Cause]) {
    let mut symptoms: Vec<(&str, Vec<Cause>)> = Vec::new();
    for cause in causes {
        let symptom = if cause.symptom().contains("explain") { UNTOLD } else { cause.symptom() };
        match symptoms.iter_mut().find(|(known, _)| *known == symptom) {
            Some((_, causes)) => causes.push(*cause),
            None => symptoms.push((symptom, vec![*cause])),
        }
    }
    symptoms.sort_by_key(|(symptom, _)| *symptom == UNTOLD);
    for (symptom, causes) in symptoms {
        *page += &format!("### {symptom}\n\n");
        let row = |cause: &Cause| {
            let link = cause.link().map_or("any", Name::as_str);
            vec![code(cause.id()), link.to_owned(), cause.message().to_owned(), cause.mend().to_owned()]
        };
        *page += &table(&["cause", "link", "what it is", "what mends it"], &causes.iter().map(row).collect::<Vec<_>>());
    }
}
