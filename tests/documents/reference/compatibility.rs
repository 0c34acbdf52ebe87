//! The versions that are supported, and what differs between them: from the table by which the operator decides.

use argocd_access::argocd::versions::{
    ARGOCD, DIFFERENCES, Difference, FULL_NAME_IN_UI, KUBERNETES, OLDEST_ARGOCD, OLDEST_KUBERNETES, Of, TRIED, get_is_enough, hides_tabs,
};

use crate::{head, table::table};

pub fn page() -> String {
    let mut page = head("Compatibility", "src/argocd/versions.rs");
    let minor = |row: &Difference| format!("{}.{}", row.since.0, row.since.1);
    let ends = |list: &[(u32, u32)]| {
        let text = |v: &(u32, u32)| format!("{}.{}", v.0, v.1);
        format!("{} to {}", list.first().map(text).unwrap_or_default(), list.last().map(text).unwrap_or_default())
    };
    page += &format!("Argo CD {}, Kubernetes {}.", ends(&ARGOCD), ends(&KUBERNETES));
    page += &format!(
        " Argo CD before {} and Kubernetes before {} are `Unsupported`: nothing is granted there.\n",
        minor(&OLDEST_ARGOCD),
        minor(&OLDEST_KUBERNETES)
    );
    page +=
        "Versions are detected: Argo CD's from the image of argocd-server (tag, or the label `app.kubernetes.io/version`), Kubernetes' from the\n";
    page += "API server. One that cannot be detected is served, and taken for the one with which less is promised.\n\n";
    page += "## What was tried, and what was read\n\n";
    let tried: Vec<String> = TRIED.iter().map(|(kubernetes, argocd)| format!("Kubernetes {kubernetes} with Argo CD {argocd}")).collect();
    page += &format!("The tests run with {}: real API servers, a real Argo CD, real terminals.\n", tried.join(", and with "));
    page += "For every other version the operator decides by the rows below, which come from the projects' sources and documentation.\n";
    page += "What the chart renders is compared with Kubernetes' own schemas of each of these versions, in which a field that one does not have is refused.\n\n";
    page += "## What differs\n\n";
    let row = |d: &Difference| {
        let whose = if d.of == Of::ArgoCD { "Argo CD" } else { "Kubernetes" };
        let (major, minor, patch) = d.since;
        let since = if patch == 0 { format!("{whose} {major}.{minor}") } else { format!("{whose} {major}.{minor}.{patch}") };
        [since.as_str(), d.about, d.before, d.after, d.follows, d.known].map(ToOwned::to_owned).to_vec()
    };
    page +=
        &table(&["since", "about", "before", "since then", "what follows here", "how it is known"], &DIFFERENCES.iter().map(row).collect::<Vec<_>>());
    page +=
        "In all of them, Argo CD compares policy lines by globs in which `*` crosses `/` (gobwas/glob, without separators), and unanchored regular\n";
    page += "expressions with `policy.matchMode: regex`; argocd-server needs `get pods`; and `create pods/exec` always opens a terminal.\n\n";
    page += "## Does `get pods/exec` alone open a terminal?\n\n";
    page += "Argo CD's stock ClusterRole has it everywhere, by a wildcard. Where it is enough, bindings limit nothing: `ServerAuthorized` says\n";
    page += "`OpenByOthers`, and only the policy, or `instance.confine`, decides.\n\n";
    let columns: Vec<String> = ARGOCD.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
    let mut header = vec!["Kubernetes \\\\ Argo CD"];
    header.extend(columns.iter().map(String::as_str));
    let rows = KUBERNETES.iter().map(|(major, minor)| {
        let kubernetes = format!("{major}.{minor}");
        let cells = columns.iter().map(|argocd| if get_is_enough(Some(argocd), Some(&kubernetes)) { "yes" } else { "no" }.to_owned());
        std::iter::once(kubernetes.clone()).chain(cells).collect::<Vec<_>>()
    });
    page += &table(&header, &rows.collect::<Vec<_>>());
    page += "## Is the Terminal tab of an Application in another namespace shown?\n\n";
    let (in_major, in_minor, patch) = FULL_NAME_IN_UI.since;
    let shown = ARGOCD.iter().map(|(major, minor)| {
        let cell = match hides_tabs(Some(&format!("{major}.{minor}.0"))) {
            true if (*major, *minor) == (in_major, in_minor) => format!("since {major}.{minor}.{patch}"),
            true => "no".to_owned(),
            false => "yes".to_owned(),
        };
        vec![format!("{major}.{minor}"), cell]
    });
    let shown: Vec<Vec<String>> = shown.collect();
    page += &table(&["Argo CD", "shown to whoever is granted it"], &shown);
    page += "Where it is not, people see it only if they may also exec into an Application of the same project and name in the instance's own\n";
    page += "namespace. If that is meant too, declare it (the same selector without `namespace`); the operator never writes that line by itself.\n";
    page
}
