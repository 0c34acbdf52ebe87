//! A TLS proxy in front of the real API server, through which one operator goes. It counts the operator's writes, and at one of them it
//! stops: before the request reaches the server, or after the server has answered and before the operator hears of it. Nothing is
//! answered here, every request goes to the real server or is lost, but for a test that has it lie or fail.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{ControlPlane, certificates::Authority, process::free_port};

/// When a write is stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before it reaches the API server: it is lost.
    Before,
    /// After the API server has answered: it is done, and the operator does not know.
    After,
}

/// What becomes of the connection when the trap has sprung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is cut.
    Cut,
    /// It goes on as if nothing had been.
    Pass,
}

/// What a server says that does not say the truth.
pub enum Lie {
    /// This status and body, of a request that nobody ever gets; a redirect leads to the body.
    Answer(u16, String),
    /// What the real server says, with another body.
    Mangle(Box<dyn FnOnce(String) -> String + Send>),
}

/// What goes wrong on the way, or at the server.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status is answered; with the seconds after which to come again.
    Status(u16, Option<u64>),
    /// The request is passed on after this time.
    Late(Duration),
    /// A watch begins, and is told that its place in the history is gone.
    Expired,
}

struct Trap {
    left: usize,
    moment: Moment,
    spring: Box<dyn FnOnce() -> Then + Send>,
}

/// What becomes of every single write.
type Judge = Box<dyn FnMut(&str, Moment) -> Then + Send>;
/// What goes wrong, by a request with its query.
type Faults = Box<dyn Fn(&str) -> Option<Fault> + Send>;
/// What is said instead, by the request (as in [`Proxy::writes`]) and its `Authorization`.
type Liar = Box<dyn Fn(&str, &str) -> Option<Lie> + Send>;

struct Shared {
    upstream: String,
    connector: TlsConnector,
    trap: Mutex<Option<Trap>>,
    judge: Mutex<Option<Judge>>,
    liar: Mutex<Option<Liar>>,
    faults: Mutex<Option<Faults>>,
    requests: AtomicUsize,
    tokens: Mutex<BTreeSet<String>>,
    cut: watch::Sender<()>,
    acceptor: Mutex<TlsAcceptor>,
    writes: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// The running proxy. Dropping it cuts every connection.
pub struct Proxy {
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Proxy {
    /// Starts one in front of a control plane; it has a certificate of the same authority.
    pub fn start(control_plane: &ControlPlane) -> Self {
        let port = free_port();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(control_plane.authority.der())).expect("the authority's certificate");
        let calling = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let shared = Arc::new(Shared {
            upstream: control_plane.server.trim_start_matches("https://").to_owned(),
            connector: TlsConnector::from(Arc::new(calling)),
            trap: Mutex::default(),
            judge: Mutex::default(),
            liar: Mutex::default(),
            faults: Mutex::default(),
            requests: AtomicUsize::new(0),
            tokens: Mutex::default(),
            cut: watch::Sender::new(()),
            acceptor: Mutex::new(acceptor(&control_plane.authority, port)),
            writes: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let inside = shared.clone();
        // A thread of its own with a runtime of its own: it goes on while a test blocks.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(port, inside));
        });
        Self { server: format!("https://127.0.0.1:{port}"), port, shared, thread: Some(thread) }
    }

    /// From now on it has a certificate of that authority; every connection is cut.
    pub fn serve_as(&self, authority: &Authority) {
        *lock(&self.shared.acceptor) = acceptor(authority, self.port);
        self.cut();
    }

    /// At the `nth` write from now on (the first is 1) `spring` is run, once, while that request waits.
    pub fn at(&self, nth: usize, moment: Moment, spring: impl FnOnce() -> Then + Send + 'static) {
        lock(&self.shared.writes).clear();
        *lock(&self.shared.trap) = Some(Trap { left: nth, moment, spring: Box::new(spring) });
    }

    /// From now on `judge` says of every write what becomes of it, both before and after it is done.
    pub fn each(&self, judge: impl FnMut(&str, Moment) -> Then + Send + 'static) {
        *lock(&self.shared.judge) = Some(Box::new(judge));
    }

    /// From now on `liar` says, by a request and its `Authorization`, what is answered instead of the truth.
    pub fn lies(&self, liar: impl Fn(&str, &str) -> Option<Lie> + Send + 'static) {
        *lock(&self.shared.liar) = Some(Box::new(liar));
    }

    /// From now on `faults` says, by a request with its query (such as `GET /api/v1/pods?watch=true`), what goes wrong.
    pub fn faults(&self, faults: impl Fn(&str) -> Option<Fault> + Send + 'static) {
        *lock(&self.shared.faults) = Some(Box::new(faults));
    }

    /// From now on nothing goes wrong any more.
    pub fn mended(&self) {
        *lock(&self.shared.faults) = None;
    }

    /// Cuts every connection, watches among them.
    pub fn cut(&self) {
        self.shared.cut.send_replace(());
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Whether a request has come with this token.
    pub fn has_come(&self, token: &str) -> bool {
        lock(&self.shared.tokens).contains(&format!("Bearer {token}"))
    }

    /// Whether the trap is still set.
    pub fn is_set(&self) -> bool {
        lock(&self.shared.trap).is_some()
    }

    /// Takes the trap away.
    pub fn disarm(&self) {
        *lock(&self.shared.trap) = None;
    }

    /// The writes since the trap was set, such as `PATCH /api/v1/namespaces/argocd/configmaps/argocd-cm`.
    pub fn writes(&self) -> Vec<String> {
        lock(&self.shared.writes).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(!matches!(ended, Some(Err(_))) || std::thread::panicking(), "the bench's proxy panicked; its message is above");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acceptor(authority: &Authority, port: u16) -> TlsAcceptor {
    let pair = authority.server(&format!("proxy-{port}"), &[]);
    let certificates = vec![CertificateDer::from_pem_file(&pair.certificate).expect("the proxy's certificate")];
    let key = PrivateKeyDer::from_pem_file(&pair.key).expect("the proxy's key");
    let serving = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).expect("a TLS server");
    TlsAcceptor::from(Arc::new(serving))
}

async fn serve(port: u16, shared: Arc<Shared>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("listen for the operator");
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok(Ok((stream, _peer))) = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await else { continue };
        let (acceptor, shared) = (lock(&shared.acceptor).clone(), shared.clone());
        tokio::spawn(async move {
            // A client that goes away in the midst of anything is what this is for.
            let mut cut = shared.cut.subscribe();
            if let Ok(stream) = acceptor.accept(stream).await {
                let service = service_fn(|request| pass(shared.clone(), request));
                tokio::select! {
                    _cut = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
                    _ = cut.changed() => {}
                }
            }
        });
    }
}

/// Whether a request changes the cluster, apart from the Events, which nothing depends on, and from the Lease, which is renewed by time.
fn is_write(request: &Request<Incoming>) -> bool {
    let path = request.uri().path();
    let asks = ["subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews", "tokenreviews", "events"];
    ![Method::GET, Method::HEAD].contains(request.method())
        && !asks.iter().any(|kind| path.ends_with(&format!("/{kind}")))
        && !path.contains("/events/")
        && !path.contains("/leases/")
        && !request.uri().query().unwrap_or_default().contains("dryRun=")
}

fn name(request: &Request<Incoming>) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

impl Shared {
    fn lie(&self, request: &Request<Incoming>) -> Option<Lie> {
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        lock(&self.liar).as_ref().and_then(|liar| liar(&name(request), authorization))
    }

    /// What goes wrong with a request.
    fn fault(&self, request: &Request<Incoming>) -> Option<Fault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(authorization) = request.headers().get("authorization").and_then(|value| value.to_str().ok()) {
            let mut tokens = lock(&self.tokens);
            if !tokens.contains(authorization) {
                tokens.insert(authorization.to_owned());
            }
        }
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        lock(&self.faults).as_ref().and_then(|faults| faults(&format!("{}{query}", name(request))))
    }

    /// Counts a write; at the one that the trap is for it is sprung.
    fn count(&self, request: &Request<Incoming>) -> Option<Trap> {
        lock(&self.writes).push(name(request));
        let mut trap = lock(&self.trap);
        let set = trap.as_mut()?;
        set.left = set.left.saturating_sub(1);
        if set.left == 0 { trap.take() } else { None }
    }
}

fn whole(body: String) -> BoxBody<Bytes, hyper::Error> {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason, "message": message})
}

fn refusal(code: u16, again: Option<u64>) -> Result<Response<BoxBody<Bytes, hyper::Error>>, hyper::http::Error> {
    let reason = match code {
        403 => "Forbidden",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let mut answer = Response::builder().status(code).header("content-type", "application/json");
    if let Some(seconds) = again {
        answer = answer.header("retry-after", seconds.to_string());
    }
    answer.body(whole(status(code, reason, "as the test has it").to_string()))
}

async fn judged(shared: &Arc<Shared>, write: Option<&String>, moment: Moment) -> Result<(), Failure> {
    let (Some(write), shared) = (write.cloned(), shared.clone()) else { return Ok(()) };
    let judge = move || lock(&shared.judge).as_mut().map_or(Then::Pass, |judge| judge(&write, moment));
    match tokio::task::spawn_blocking(judge).await? {
        Then::Cut => Err("cut".into()),
        Then::Pass => Ok(()),
    }
}

async fn spring(trap: Trap) -> Result<(), Failure> {
    match tokio::task::spawn_blocking(trap.spring).await? {
        Then::Cut => Err("cut".into()),
        Then::Pass => Ok(()),
    }
}

/// Passes a request on, and has its end judged.
async fn done(shared: Arc<Shared>, request: Request<Incoming>, write: Option<String>, after: Option<Trap>) -> Result<Response<Incoming>, Failure> {
    let stream = TcpStream::connect(&shared.upstream).await?;
    let stream = shared.connector.connect(ServerName::try_from("127.0.0.1")?, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    judged(&shared, write.as_ref(), Moment::After).await?;
    if let Some(trap) = after {
        spring(trap).await?;
    }
    Ok(response)
}

async fn pass(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Failure> {
    match shared.fault(&request) {
        Some(Fault::Status(code, again)) => return Ok(refusal(code, again)?),
        Some(Fault::Late(time)) => tokio::time::sleep(time).await,
        Some(Fault::Expired) => {
            let event = json!({"type": "ERROR", "object": status(410, "Expired", "too old resource version")});
            return Ok(Response::builder().header("content-type", "application/json").body(whole(format!("{event}\n")))?);
        }
        None => {}
    }
    let write = is_write(&request).then(|| name(&request));
    judged(&shared, write.as_ref(), Moment::Before).await?;
    let (before, after) = match is_write(&request).then(|| shared.count(&request)).flatten() {
        Some(trap) if trap.moment == Moment::Before => (Some(trap), None),
        other => (None, other),
    };
    if let Some(trap) = before {
        spring(trap).await?;
    }
    let lie = shared.lie(&request);
    if let Some(Lie::Answer(code, body)) = lie {
        let mut answer = Response::builder().status(code);
        if (300..400).contains(&code) {
            answer = answer.header("location", &body);
        }
        return Ok(answer.body(whole(body))?);
    }
    // A task of its own: a write that is on its way when the client dies, as one that is sent beside another, comes to its end, too.
    let response = tokio::spawn(done(shared, request, write, after)).await??;
    if let Some(Lie::Mangle(mangle)) = lie {
        let status = response.status();
        let text = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
        return Ok(Response::builder().status(status).body(whole(mangle(text)))?);
    }
    Ok(response.map(BodyExt::boxed))
}
