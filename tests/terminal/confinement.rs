//! `confine: true`, and a person at the terminal.

use crate::{confined, support::Kubernetes};

#[tokio::test]
async fn a_confined_argocd_server_opens_a_terminal_only_where_an_object_grants_it() {
    confined::a_terminal_opens_only_where_an_object_grants_it(Kubernetes::V1_36).await;
}
