//! The stub homeserver: records raw bytes, flags dirty ones, answers by script.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, Step};
use super::authority::Authority;
use super::recorded::Recorded;
use super::strict::{self, Framing};
use super::wire::{Cut, Wire};
use super::within;

/// A homeserver as far as a reverse proxy can tell. Unrouted requests get
/// `200 {}`. Dropping it fails the test if anything dirty was ever received.
pub(crate) struct Homeserver {
    url: String,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    routes: Vec<(String, String, Answer)>,
    requests: Vec<Recorded>,
    dirty: Vec<String>,
    connections: usize,
    open: usize,
    busy: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    close_idle: watch::Sender<()>,
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
    Tls(TcpListener, TlsAcceptor),
}

impl Homeserver {
    /// On a loopback port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(url, Acceptor::Tcp(listener))
    }

    /// Where nobody listens, until [`start_at`](Self::start_at).
    pub(crate) async fn nowhere() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// At the URL of one that has ended, or that never was.
    pub(crate) async fn start_at(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serve(url.to_owned(), Acceptor::Tcp(listener))
    }

    /// On a unix socket at `path`.
    pub(crate) fn start_unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::serve(format!("unix:{}", path.display()), Acceptor::Unix(listener))
    }

    /// On a loopback port with TLS, by a certificate for `name`.
    pub(crate) async fn start_tls(authority: &Authority, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let tls = TlsAcceptor::from(authority.server_config(name));
        Self::serve(url, Acceptor::Tls(listener, tls))
    }

    fn serve(url: String, acceptor: Acceptor) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            close_idle: watch::Sender::new(()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept_all(acceptor, shared.clone()));
        Self { url, shared, tasks }
    }

    /// Ends it, as SIGKILL ends a process.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
    }

    /// What a configuration calls it: `http://…`, `https://…` or `unix:…`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers `method` on targets that begin with `prefix` so, from now on.
    /// The newest matching route wins; the method `*` matches all.
    pub(crate) fn route(&self, method: &str, prefix: &str, answer: Answer) -> &Self {
        let route = (method.to_owned(), prefix.to_owned(), answer);
        self.shared.change(|state| state.routes.push(route));
        self
    }

    /// Everything received so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// How many connections were ever accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    /// Closes every connection that waits for a request.
    pub(crate) async fn close_idle(&self) {
        self.shared.close_idle.send_replace(());
        self.until("idle connections are closed", |s| {
            (s.open == 0).then_some(())
        })
        .await;
    }

    /// Waits until no request is under way.
    pub(crate) async fn all_idle(&self) {
        self.until("every request ends", |s| (s.busy == 0).then_some(()))
            .await;
    }

    /// Waits until all connections are gone.
    pub(crate) async fn all_closed(&self) {
        self.until("all upstream connections are closed", |s| {
            (s.open == 0).then_some(())
        })
        .await;
    }

    /// The `index`th request, counted from 0, as soon as its head is there.
    pub(crate) async fn begun(&self, index: usize) -> Recorded {
        self.until("a request reaches the homeserver", |s| {
            s.requests.get(index).cloned()
        })
        .await
    }

    /// The `index`th request, counted from 0, with its whole body.
    pub(crate) async fn received(&self, index: usize) -> Recorded {
        let whole = |state: &State| state.requests.get(index).filter(|r| r.whole).cloned();
        self.until("a whole request reaches the homeserver", whole)
            .await
    }

    /// Waits until the peer left before the `index`th request was answered.
    pub(crate) async fn abandoned(&self, index: usize) -> Recorded {
        let left = |state: &State| state.requests.get(index).filter(|r| r.abandoned).cloned();
        self.until("the proxy gives up a request", left).await
    }

    /// Waits until `count` requests were given up.
    pub(crate) async fn abandoned_count(&self, count: usize) {
        let left = |state: &State| {
            let abandoned = state.requests.iter().filter(|r| r.abandoned).count();
            (abandoned >= count).then_some(())
        };
        self.until("the proxy gives up requests", left).await;
    }

    /// Waits until at least `count` bytes of the `index`th body are there.
    pub(crate) async fn body_reaches(&self, index: usize, count: usize) {
        let enough = |state: &State| {
            let request = state.requests.get(index)?;
            (request.body.len() >= count).then_some(())
        };
        self.until("body bytes reach the homeserver", enough).await;
    }

    /// The only request there was, for a test that sent one that was answered.
    pub(crate) fn only_request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{:?}", self.targets());
        requests.remove(0)
    }

    /// The newest request.
    pub(crate) fn last_request(&self) -> Recorded {
        self.requests()
            .pop()
            .expect("nothing reached the homeserver")
    }

    /// The targets of all requests, in order.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.requests()
            .iter()
            .map(|r| r.target().to_owned())
            .collect()
    }

    /// Fails if any request was received.
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.targets(), [""; 0], "nothing may reach the homeserver");
    }

    async fn until<T>(&self, what: &str, ready: impl Fn(&State) -> Option<T>) -> T {
        let mut changes = self.shared.changed.subscribe();
        let wait = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = ready(&self.shared.state.lock().unwrap()) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        within(what, wait).await
    }
}

impl Drop for Homeserver {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let dirty = &self.shared.state.lock().unwrap().dirty;
            assert!(dirty.is_empty(), "not clean HTTP/1.1 upstream: {dirty:#?}");
        }
    }
}

impl Shared {
    fn change<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        let output = edit(&mut self.state.lock().unwrap());
        self.changed.send_replace(());
        output
    }

    fn flag(&self, why: impl Into<String>) {
        self.change(|state| state.dirty.push(why.into()));
    }

    fn edit(&self, request: usize, edit: impl FnOnce(&mut Recorded)) {
        self.change(|state| edit(&mut state.requests[request]));
    }

    fn answer(&self, request: usize) -> Answer {
        let state = self.state.lock().unwrap();
        let recorded = &state.requests[request];
        let matches = |(method, prefix, _): &&(String, String, Answer)| {
            (method == "*" || method == recorded.method()) && recorded.target().starts_with(prefix)
        };
        let route = state.routes.iter().rev().find(matches);
        route
            .map(|(_, _, answer)| answer.clone())
            .unwrap_or_default()
    }
}

async fn accept_all(acceptor: Acceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // A failed handshake is the peer's business; the next one may succeed.
        let Ok(wire) = acceptor.accept().await else {
            continue;
        };
        let number = shared.change(|state| {
            state.open += 1;
            state.connections += 1;
            state.connections - 1
        });
        let shared = shared.clone();
        connections.spawn(async move {
            let mut connection = Connection {
                number,
                wire,
                shared,
            };
            while connection.exchange().await.is_some() {}
            drop(connection.wire);
            connection.shared.change(|state| state.open -= 1);
        });
    }
}

impl Acceptor {
    async fn accept(&self) -> io::Result<Wire> {
        match self {
            Self::Tcp(listener) => Ok(Wire::new(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Wire::new(listener.accept().await?.0)),
            Self::Tls(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                Ok(Wire::new(tls.accept(stream).await?))
            }
        }
    }
}

struct Connection {
    number: usize,
    wire: Wire,
    shared: Arc<Shared>,
}

impl Connection {
    /// One request and its answer; none when the connection is over.
    async fn exchange(&mut self) -> Option<()> {
        let head = self.next_head().await?;
        let framing = match strict::check(&head) {
            Ok(framing) => framing,
            Err(why) => {
                let head = String::from_utf8_lossy(&head).into_owned();
                return self.dirty(&format!("{why}: {head:?}"));
            }
        };
        let request = self.record(head, framing);
        let goes_on = self.serve(request, framing).await;
        self.shared.change(|state| state.busy -= 1);
        goes_on
    }

    async fn serve(&mut self, request: usize, framing: Framing) -> Option<()> {
        let answer = self.shared.answer(request);
        if !answer.before_body {
            self.read_body(request, framing).await?;
        }
        if self.play(&answer).await.is_none() {
            self.shared.edit(request, |r| r.abandoned = true);
            return None;
        }
        if answer.before_body {
            // To close with bytes unread would reset the connection under the answer.
            self.wire.finish().await.ok()?;
            peer_leaves(&mut self.wire).await;
        } else if !self.wire.unread().is_empty() {
            return self.dirty("bytes after the request and before its answer");
        }
        (!answer.closes).then_some(())
    }

    fn dirty(&self, why: &str) -> Option<()> {
        self.shared.flag(why);
        None
    }

    async fn next_head(&mut self) -> Option<Vec<u8>> {
        let mut close = self.shared.close_idle.subscribe();
        let head = tokio::select! {
            head = self.wire.until(b"\r\n\r\n") => head,
            _ = close.changed() => return None,
        };
        if head.is_none() && !self.wire.unread().is_empty() {
            let torn = String::from_utf8_lossy(self.wire.unread()).into_owned();
            return self
                .dirty(&format!("torn head {torn:?}"))
                .map(|()| Vec::new());
        }
        head
    }

    fn record(&self, head: Vec<u8>, framing: Framing) -> usize {
        let recorded = Recorded {
            connection: self.number,
            head,
            framing,
            body: Vec::new(),
            whole: framing == Framing::None,
            abandoned: false,
        };
        self.shared.change(|state| {
            state.busy += 1;
            state.requests.push(recorded);
            state.requests.len() - 1
        })
    }

    async fn read_body(&mut self, request: usize, framing: Framing) -> Option<()> {
        if framing != Framing::None && self.expects_continue(request) {
            self.wire
                .write(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .ok()?;
        }
        let whole = match framing {
            Framing::None => true,
            Framing::Length(length) => self.read_length(request, length).await,
            Framing::Chunked => self.read_chunks(request).await,
        };
        self.shared.edit(request, |r| {
            r.whole = whole;
            r.abandoned = !whole;
        });
        whole.then_some(())
    }

    fn expects_continue(&self, request: usize) -> bool {
        let state = self.shared.state.lock().unwrap();
        !state.requests[request].all("expect").is_empty()
    }

    async fn read_length(&mut self, request: usize, length: usize) -> bool {
        let mut left = length;
        while left > 0 {
            let part = self.wire.some(left).await;
            if part.is_empty() {
                return false;
            }
            left -= part.len();
            self.shared.edit(request, |r| r.body.extend(part));
        }
        true
    }

    async fn read_chunks(&mut self, request: usize) -> bool {
        loop {
            match self.wire.chunk().await {
                Ok(data) if data.is_empty() => return true,
                Ok(data) => self.shared.edit(request, |r| r.body.extend(data)),
                Err(Cut::Ended) => return false,
                Err(Cut::Malformed(why)) => return self.dirty(why).is_some(),
            }
        }
    }

    /// Does what the script says; none where the peer left before its end.
    async fn play(&mut self, answer: &Answer) -> Option<()> {
        for step in &answer.steps {
            match step {
                Step::Write(bytes, times) => {
                    for _ in 0..*times {
                        self.wire.write(bytes).await.ok()?;
                    }
                }
                Step::Wait(gate) => tokio::select! {
                    () = gate.opened() => {}
                    () = peer_leaves(&mut self.wire) => return None,
                },
                Step::Echo => self.echo().await,
                Step::Silence => {
                    peer_leaves(&mut self.wire).await;
                    return None;
                }
            }
        }
        Some(())
    }

    async fn echo(&mut self) {
        loop {
            let part = self.wire.some(64 * 1024).await;
            if part.is_empty() || self.wire.write(&part).await.is_err() {
                return;
            }
        }
    }
}

async fn peer_leaves(wire: &mut Wire) {
    while wire.more().await > 0 {}
}
