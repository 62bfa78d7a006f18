//! What stands before the authority: it stays where it is while the authority is away, and adds
//! what Debian's does not know: profiles, and when a certificate is to be renewed (RFC 9773).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::pebble::Pebble;
use super::raw::Raw;
use super::response::Response;
use super::tls;
use super::wire::Wire;

/// For how long a renewal window is to be believed, in seconds.
pub(crate) const BELIEVED: i64 = 7_200;

/// A front on a port of its own.
pub(crate) struct Front {
    port: u16,
    ca: PathBuf,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    /// What vouches for front and authority alike.
    authority: Arc<Authority>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where the authority is; none while it is away.
    behind: Option<u16>,
    connections: usize,
    orders: Vec<Value>,
    asked: Vec<String>,
    is_first_due: bool,
    is_forgetful: bool,
}

impl Front {
    /// Stands before `pebble`, or before nothing yet.
    pub(crate) async fn before(pebble: &Pebble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            authority: pebble.authority(),
            state: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, port, shared.clone()));
        let front = Self {
            port,
            ca: pebble.ca(),
            shared,
            _tasks: tasks,
        };
        front.leads_to(pebble.port());
        front
    }

    /// Leads to the authority on that port; to none while it is away.
    pub(crate) fn leads_to(&self, port: Option<u16>) {
        self.state(|state| state.behind = port);
    }

    /// Never says back which certificate an order replaces, as a sound authority must.
    pub(crate) fn forgets_what_is_replaced(&self) {
        self.state(|state| state.is_forgetful = true);
    }

    /// Says of the first certificate that is asked for that it was to be renewed yesterday. All
    /// others are good for years.
    pub(crate) fn wants_the_first_renewed(&self) {
        self.state(|state| state.is_first_due = true);
    }

    /// The orders that came, as the client wrote them.
    pub(crate) fn orders(&self) -> Vec<Value> {
        self.state(|state| state.orders.clone())
    }

    /// The certificates whose windows were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state(|state| state.asked.clone())
    }

    /// How often it was connected to.
    pub(crate) fn connections(&self) -> usize {
        self.state(|state| state.connections)
    }

    /// `[tls]` of a configuration that orders here, with more keys of the authority's table.
    pub(crate) fn config(&self, keys: &str) -> String {
        format!(
            "[tls]\nsource = \"acme\"\n[[tls.authorities]]\n\
             directory = \"https://127.0.0.1:{}/dir\"\nca = \"{}\"\n{keys}\n",
            self.port,
            self.ca.display(),
        )
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap())
    }
}

async fn serve(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    let tls = TlsAcceptor::from(shared.authority.server_config("127.0.0.1"));
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        shared.state.lock().unwrap().connections += 1;
        let (tls, shared) = (tls.clone(), shared.clone());
        connections.spawn(async move {
            if let Ok(stream) = tls.accept(tcp).await {
                let mut wire = Wire::new(stream);
                while exchange(&mut wire, port, &shared).await.is_some() {}
            }
        });
    }
}

/// One request and its answer; none at the end of the connection.
async fn exchange(client: &mut Wire, port: u16, shared: &Shared) -> Option<()> {
    let head = client.until(b"\r\n\r\n").await?;
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.lines().find_map(|l| l.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    let body = client.exactly(length).await?;
    let words = String::from_utf8_lossy(&head).into_owned();
    let target = words.split(' ').nth(1)?;
    let behind = shared.state.lock().unwrap().behind?;
    if let Some(certificate) = target.strip_prefix("/renewal-info/") {
        let answer = window(certificate, &mut shared.state.lock().unwrap());
        let head = format!("HTTP/1.1 200 OK\r\nRetry-After: {BELIEVED}\r\n");
        return answered(client, head, answer.to_string().as_bytes()).await;
    }
    let order = (target == "/order-plz").then(|| payload(&body));
    if let Some(order) = &order {
        shared.state.lock().unwrap().orders.push(order.clone());
    }
    let is_head = head.starts_with(b"HEAD ");
    let mut response = ask(behind, &shared.authority, &[head, body].concat(), is_head).await?;
    if target == "/dir" {
        edit(&mut response, |directory| {
            directory["renewalInfo"] = json!(format!("https://127.0.0.1:{port}/renewal-info"));
            directory["meta"]["profiles"] = json!({ "shortlived": "six days" });
        });
    }
    let is_forgetful = shared.state.lock().unwrap().is_forgetful;
    if let Some(order) = order.filter(|_| response.status == 201 && !is_forgetful) {
        edit(&mut response, |placed| {
            placed["replaces"] = order["replaces"].clone();
        });
    }
    let mut head = format!("HTTP/1.1 {} x\r\n", response.status);
    for (name, value) in &response.fields {
        let of_body = ["content-length", "transfer-encoding", "connection"];
        if !of_body.contains(&name.as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    answered(client, head, &response.body).await
}

async fn answered(client: &mut Wire, head: String, body: &[u8]) -> Option<()> {
    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    let bytes = [head.as_bytes(), body].concat();
    client.write(&bytes).await.ok()
}

/// The authority's answer; none while it is away.
async fn ask(port: u16, ca: &Authority, request: &[u8], is_head: bool) -> Option<Response> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let stream = tls::connect(tcp, ca.pem(), "127.0.0.1", &["http/1.1"]);
    let mut authority = Raw::new(stream.await.ok()?);
    authority.try_send(request).await.then_some(())?;
    authority.read(is_head).await
}

fn edit(response: &mut Response, change: impl FnOnce(&mut Value)) {
    let mut body = response.json();
    change(&mut body);
    response.body = body.to_string().into_bytes();
}

/// What a signed request says.
fn payload(body: &[u8]) -> Value {
    let signed: Value = serde_json::from_slice(body).unwrap();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap());
    serde_json::from_slice(&payload.unwrap()).unwrap()
}

fn window(certificate: &str, state: &mut State) -> Value {
    state.asked.push(certificate.to_owned());
    let is_due = state.is_first_due && state.asked[0] == certificate;
    let days = if is_due { -2 } else { 1_000 };
    let start = OffsetDateTime::now_utc() + Duration::days(days);
    let text = |at: OffsetDateTime| format!("{}T{:02}:00:00Z", at.date(), at.hour());
    let end = start + Duration::days(1);
    json!({ "suggestedWindow": { "start": text(start), "end": text(end) } })
}
