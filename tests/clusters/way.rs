//! The network between the hub and a remote cluster, which can be cut. Bytes go through as they are: TLS is between the two ends.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::process::free_port;

/// It. Dropping it cuts it.
pub struct Way {
    /// `https://127.0.0.1:PORT`, the remote cluster's address by this way.
    pub server: String,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Way {
    /// To an API server, open.
    pub async fn to(server: &str) -> Self {
        let port = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let upstream = server.trim_start_matches("https://").to_owned();
        let (open, mut is_open) = watch::channel(true);
        let task = tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                if !*is_open.borrow_and_update() {
                    continue;
                }
                let (upstream, mut cut) = (upstream.clone(), is_open.clone());
                tokio::spawn(async move {
                    let Ok(mut there) = TcpStream::connect(&upstream).await else { return };
                    tokio::select! {
                        _ended = copy_bidirectional(&mut here, &mut there) => {}
                        _cut = cut.changed() => {}
                    }
                });
            }
        });
        Self { server: format!("https://127.0.0.1:{port}"), open, task }
    }

    /// Cuts every connection, and lets no other come about.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Opens it again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}
