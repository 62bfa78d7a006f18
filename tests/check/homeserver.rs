//! A stub that answers as Synapse 1.163 does, as far as a check looks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The seed of the signing key, in base64.
const SEED: &str = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0";
const KEY_ID: &str = "ed25519:zoo";

/// What the stub is, and what is wrong with it.
#[derive(Clone)]
pub(crate) struct Homeserver {
    pub(crate) server_name: String,
    /// The seed of its signing key, in base64.
    pub(crate) seed: &'static str,
    /// `public_baseurl`.
    pub(crate) base_url: String,
    /// For how many seconds from now the keys are valid.
    pub(crate) keys_valid_for: i64,
    /// How many seconds the clock is wrong.
    pub(crate) skew: i64,
    /// The keys of others, for who asks it as a notary.
    pub(crate) known: Vec<Value>,
    /// Whether its workers speak to it on the same port.
    pub(crate) replicates: bool,
    /// Changes the document of the keys after it was signed.
    pub(crate) spoil: fn(&mut Value),
    /// Changes the document of the keys before it is signed.
    pub(crate) alter: fn(&mut Value),
}

struct Request {
    method: String,
    target: String,
    fields: HashMap<String, String>,
    body: Vec<u8>,
}

/// The signing key as Synapse writes it to its file.
pub(crate) fn signing_key() -> String {
    format!("ed25519 zoo {SEED}\n")
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .try_into()
        .unwrap()
}

impl Homeserver {
    /// A healthy one.
    pub(crate) fn new(server_name: &str) -> Self {
        Self {
            server_name: server_name.to_owned(),
            seed: SEED,
            base_url: format!("https://matrix.{server_name}"),
            keys_valid_for: 86_400,
            skew: 0,
            known: Vec::new(),
            replicates: false,
            spoil: |_| {},
            alter: |_| {},
        }
    }

    fn pair(&self) -> Ed25519KeyPair {
        let seed = STANDARD_NO_PAD.decode(self.seed).unwrap();
        Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
    }

    /// Serves until the test ends.
    pub(crate) async fn start(self) -> SocketAddr {
        self.start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at an address.
    pub(crate) async fn start_at(self, address: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stub = Arc::new(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(stub.clone().serve(stream));
            }
        });
        address
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut begin = [0];
        // As Twisted answers what is no HTTP, such as a TLS handshake.
        if stream.get_ref().peek(&mut begin).await.is_ok() && !begin[0].is_ascii_uppercase() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return;
        }
        while let Some(request) = read(&mut stream).await {
            let (status, fields, body) = self.answer(&request);
            let date = httpdate::fmt_http_date(
                SystemTime::now() + std::time::Duration::from_secs(self.skew.unsigned_abs()),
            );
            let mut head = format!(
                "HTTP/1.1 {status} Word\r\nServer: Synapse/1.163.2\r\nDate: {date}\r\nContent-Length: {}\r\n",
                body.len()
            );
            for (name, value) in fields {
                head.push_str(&[name, ": ", &*value, "\r\n"].concat());
            }
            head += "\r\n";
            let is_head = request.method == "HEAD";
            let body = if is_head { "" } else { &body };
            if stream
                .write_all(format!("{head}{body}").as_bytes())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> (u16, Vec<(&'static str, String)>, String) {
        let path = request.target.split('?').next().unwrap();
        let cors = || {
            [
                ("Access-Control-Allow-Origin", "*"),
                (
                    "Access-Control-Allow-Methods",
                    "GET, HEAD, POST, PUT, DELETE, OPTIONS",
                ),
                (
                    "Access-Control-Allow-Headers",
                    "X-Requested-With, Content-Type, Authorization, Date",
                ),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        };
        if request.method == "OPTIONS" {
            return (204, cors().to_vec(), String::new());
        }
        if path == "/_matrix/client/v3/login/sso/redirect" {
            return self.single_sign_on(request);
        }
        let (status, body) = self.json(request, path);
        let mut fields = vec![("Content-Type", "application/json".to_owned())];
        if path.starts_with("/_matrix/client") {
            fields.extend(cors());
        }
        (status, fields, body.to_string())
    }

    fn json(&self, request: &Request, path: &str) -> (u16, Value) {
        let unrecognized = |status| {
            (
                status,
                json!({ "errcode": "M_UNRECOGNIZED", "error": "Unrecognized request" }),
            )
        };
        let event = path.strip_prefix("/_matrix/federation/v1/event/");
        let alias = path.strip_prefix("/_matrix/client/v3/directory/room/");
        match (request.method.as_str(), path) {
            ("GET" | "HEAD", "/_matrix/key/v2/server") => (200, self.keys()),
            ("GET" | "HEAD", "/_matrix/federation/v1/version") => (
                200,
                json!({ "server": { "name": "Synapse", "version": "1.163.2" } }),
            ),
            (_, "/_matrix/federation/v1/version") => unrecognized(405),
            ("GET", "/_matrix/client/versions") => (200, json!({ "versions": ["v1.12"] })),
            ("GET", "/_synapse/admin/v1/server_version") => {
                (200, json!({ "server_version": "1.163.2" }))
            }
            ("POST", "/_matrix/key/v2/query") => (200, json!({ "server_keys": self.known })),
            // All of it is POST and PUT.
            ("GET", "/_synapse/replication/presence_bump_active_time/x") if self.replicates => {
                unrecognized(405)
            }
            ("GET", _) if event.is_some_and(|id| !id.contains('/')) => {
                self.signed(request, None, 404)
            }
            ("GET", _) if path == "/_matrix/federation/v1/query/profile" => {
                self.signed(request, None, 404)
            }
            ("PUT", _) if path.starts_with("/_matrix/federation/v1/send/") => {
                match serde_json::from_slice(&request.body) {
                    Ok(content) => self.signed(request, Some(content), 200),
                    Err(_) => (
                        400,
                        json!({ "errcode": "M_NOT_JSON", "error": "Content not JSON." }),
                    ),
                }
            }
            ("GET", _) if alias.is_some_and(|alias| !alias.contains('/')) => {
                let alias = percent_encoding::percent_decode_str(alias.unwrap_or_default())
                    .decode_utf8_lossy();
                (
                    404,
                    json!({ "errcode": "M_NOT_FOUND", "error": format!("Room alias {alias} not found") }),
                )
            }
            _ => unrecognized(404),
        }
    }

    /// The document of its keys.
    pub(crate) fn keys(&self) -> Value {
        let pair = self.pair();
        let public = STANDARD_NO_PAD.encode(pair.public_key().as_ref());
        let mut document = json!({
            "server_name": self.server_name,
            "valid_until_ts": (now() + self.keys_valid_for) * 1000,
            "verify_keys": { KEY_ID: { "key": public } },
            "old_verify_keys": {},
        });
        (self.alter)(&mut document);
        document.sort_all_objects();
        let signature = STANDARD_NO_PAD.encode(pair.sign(document.to_string().as_bytes()).as_ref());
        document["signatures"] = json!({ &self.server_name: { KEY_ID: signature } });
        (self.spoil)(&mut document);
        document
    }

    /// As `_base.py` of Synapse: no header, a malformed one, a wrong signature, a good one.
    fn signed(&self, request: &Request, content: Option<Value>, status: u16) -> (u16, Value) {
        let refused = |status: u16, error: &str| {
            (
                status,
                json!({ "errcode": "M_UNAUTHORIZED", "error": error }),
            )
        };
        let header = request
            .fields
            .get("authorization")
            .filter(|value| value.starts_with("X-Matrix"));
        let Some(header) = header else {
            return refused(401, "Missing Authorization headers");
        };
        let parameter = |name: &str| {
            let at = header.find(&format!("{name}=\""))? + name.len() + 2;
            header[at..].split('"').next().map(str::to_owned)
        };
        let Some(signature) = parameter("sig").and_then(|sig| STANDARD_NO_PAD.decode(sig).ok())
        else {
            return refused(400, "Malformed Authorization header");
        };
        let mut signed = json!({
            "method": request.method,
            "uri": request.target,
            "origin": parameter("origin"),
            "destination": self.server_name,
        });
        if let Some(content) = content {
            signed["content"] = content;
        }
        signed.sort_all_objects();
        let key = UnparsedPublicKey::new(&ED25519, self.pair().public_key().as_ref().to_vec());
        if key
            .verify(signed.to_string().as_bytes(), &signature)
            .is_err()
        {
            return refused(401, "Invalid signature");
        }
        match status {
            200 => (200, json!({ "pdus": {} })),
            _ => (
                404,
                json!({ "errcode": "M_NOT_FOUND", "error": "not found" }),
            ),
        }
    }

    /// Synapse sends whoever came under another name to its `public_baseurl` first.
    fn single_sign_on(&self, request: &Request) -> (u16, Vec<(&'static str, String)>, String) {
        let field = |name: &str| request.fields.get(name).cloned().unwrap_or_default();
        let seen = format!("{}://{}", field("x-forwarded-proto"), field("host"));
        let location = if seen == self.base_url {
            format!("https://cas.test/login?service={}", "https%3A%2F%2Fmatrix")
        } else {
            format!("{}{}", self.base_url, request.target)
        };
        (302, vec![("Location", location)], String::new())
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut fields = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if fields.contains_key("expect") {
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .ok()?;
    }
    let mut body = Vec::new();
    if fields.contains_key("transfer-encoding") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = fields.get("content-length") {
        body.resize(length.parse().ok()?, 0);
        stream.read_exact(&mut body).await.ok()?;
    }
    Some(Request {
        method,
        target,
        fields,
        body,
    })
}
