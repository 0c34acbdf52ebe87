//! A server that is not the remote cluster: it answers each request with a redirect, and remembers what it was shown.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::certificates::Authority;
use crate::support::process::free_port;
use crate::support::reaper;

/// What it was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Connections, whether or not TLS came about.
    pub connections: usize,
    /// Requests.
    pub requests: usize,
    /// Of these, those with an Authorization header.
    pub credentials: usize,
}

/// It, with an authority of its own. Dropping it ends it.
pub struct Trap {
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    /// Its certificate authority, in PEM.
    pub authority: String,
    shown: Arc<Mutex<Shown>>,
    task: JoinHandle<()>,
}

impl Trap {
    /// Redirects to this address.
    pub async fn to(target: &str) -> Self {
        let folder = reaper::folder("trap");
        let authority = Authority::new(folder.path());
        let port = free_port();
        let pair = authority.server("trap", &[]);
        let certificates = vec![CertificateDer::from_pem_file(&pair.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
        let serving = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(serving));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (shown, target) = (Arc::<Mutex<Shown>>::default(), target.to_owned());
        let remembers = Arc::clone(&shown);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                lock(&remembers).connections += 1;
                let (acceptor, remembers, target) = (acceptor.clone(), Arc::clone(&remembers), target.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&remembers, &target, &request))));
                    let _cut = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let authority = std::fs::read_to_string(authority.file()).unwrap();
        Self { server: format!("https://127.0.0.1:{port}"), authority, shown, task }
    }

    /// What it was shown so far.
    pub fn shown(&self) -> Shown {
        lock(&self.shown).clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shown: &Mutex<Shown>) -> std::sync::MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(shown: &Mutex<Shown>, target: &str, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
    let mut shown = lock(shown);
    shown.requests += 1;
    shown.credentials += usize::from(request.headers().contains_key(hyper::header::AUTHORIZATION));
    let location = format!("{target}{}", request.uri().path());
    Response::builder().status(307).header(hyper::header::LOCATION, location).body(Empty::new()).unwrap()
}
