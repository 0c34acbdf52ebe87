//! What each Ingress controller and each Gateway needs for a terminal, as the code has it.

use argocd_access::ingress::gateway::GATEWAYS;
use argocd_access::ingress::{ALLOWED, Ask, Controller, gce};

use crate::{
    head,
    table::{code, table},
};

pub fn page() -> String {
    let mut page = head("What stands in front of argocd-server", "src/ingress");
    page += "A terminal is a WebSocket at the path `/terminal` (under Argo CD's base path, where `server.rootpath` or `server.basehref` sets one). What\n";
    page += "stands in front of argocd-server must let it through, lead that path there, and let it last. Argo CD sends a ping every five seconds,\n";
    page += "so that idle time-outs seldom matter; limits of a connection's whole life do. The condition `IngressReady` says how that stands, and\n";
    page += "`status.ingresses` says it of each Ingress and HTTPRoute in Argo CD's namespace whose backend is argocd-server's Service.\n\n";

    page += "## Ingress controllers\n\n";
    page +=
        "The controller is the one that `spec.controller` of the Ingress's IngressClass names; where there is no IngressClass, the one that the\n";
    page += "annotation `kubernetes.io/ingress.class` means (a name that two of them share is not guessed at); on GKE without either, GKE's own.\n";
    page += "What is there already and is enough, a longer time above all, is left; lists are merged; and everything has its former value back when the last `ExecAccess` goes. The values are those\n";
    page += "for the default `spec.ingress.timeout: 1h`.\n\n";
    let rows: Vec<Vec<String>> = Controller::ALL.iter().map(|controller| row(*controller)).collect();
    page += &table(&["controller", "IngressClass", "class, without one", "what is set", "besides"], &rows);
    page += "Any other controller is `Unknown/UnknownIngressClass`: nothing is guessed.\n\n";

    page += "## Gateways\n\n";
    page +=
        "HTTPRoutes are looked at and never written: all rules of a route are one value to Kubernetes, and who writes a part of it owns the whole\n";
    page += "routing. The controller is the one that has taken the route up, by the route's status; it is the name that its GatewayClass has. A\n";
    page += "`timeouts.request` or `timeouts.backendRequest` of the rule that leads the terminal to argocd-server, if it is shorter than\n";
    page += "`spec.ingress.timeout`, is reported with the command that mends it.\n\n";
    let rows: Vec<Vec<String>> =
        GATEWAYS.iter().map(|gateway| vec![gateway.name.to_owned(), codes(gateway.controllers.iter().copied()), gateway.note.to_owned()]).collect();
    page += &table(&["Gateway", "GatewayClass", "what it needs"], &rows);

    page += "## What carries no terminal\n\n";
    page += "An Ingress or HTTPRoute that leads only other paths to argocd-server (`/api`, exact paths), or leads there for gRPC alone, is not\n";
    page += "touched, and said to be so. Beside one that carries terminals it is no obstacle; where there is no such one, `IngressReady` is\n";
    page +=
        "`False/NoTerminalRoute` or `False/GrpcOnly`. The kinds HTTPRoute and BackendConfig may be missing from a cluster, and come later: within\n";
    page += "ten seconds they are seen.\n\n";

    page += "## Annotations of one's own\n\n";
    page += "`spec.ingress.annotations` may hold these, and no other:\n\n";
    for key in ALLOWED {
        page += &format!("- {}\n", code(key));
    }
    page
}

fn codes<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| if name.ends_with('/') { format!("{}…", code(name)) } else { code(name) }).collect::<Vec<_>>().join(", ")
}

fn row(controller: Controller) -> Vec<String> {
    let profile = controller.profile();
    let needs = (profile.needs)(&Ask { annotations: None, service: "argocd-server", path: "/", seconds: 3600 });
    let mut set: Vec<String> = needs.annotations.iter().map(|r| code(&format!("{}: {}", r.key, r.want.shown()))).collect();
    if needs.backend_config {
        set.push(format!(
            "{} of the BackendConfig that the Service's {} names",
            code(&format!("spec.{}: 3600", gce::FIELD)),
            code(gce::ANNOTATIONS[0])
        ));
    }
    let set = if set.is_empty() { "nothing: none is needed".to_owned() } else { set.join(", ") };
    vec![profile.name.to_owned(), codes(profile.controllers.iter().copied()), codes(profile.classes.iter().copied()), set, profile.note.to_owned()]
}
