//! A homeserver that answers queries for keys as Synapse does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::upstream::{Address, GroupLimits, Health, Homeserver, Upstream};

/// The homeserver, and what it was asked.
pub(super) struct Stub {
    pub(super) homeserver: Arc<Homeserver>,
    shared: Arc<Shared>,
    /// Nobody is answered while this is false.
    pub(super) is_open: watch::Sender<bool>,
}

#[derive(Default)]
struct Shared {
    /// What it has, and finds, by server.
    documents: Mutex<BTreeMap<String, Vec<Map<String, Value>>>>,
    /// What is answered in place of anything else: a status and a body.
    instead: Mutex<Option<(u16, String)>>,
    /// Heads and bodies of all requests.
    requests: Mutex<Vec<(String, Value)>>,
}

impl Stub {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Socket(listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let (is_open, opened) = watch::channel(true);
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone(), opened.clone()));
            }
        });
        Self {
            homeserver: homeserver(address),
            shared,
            is_open,
        }
    }

    /// From now on it has these documents of a server.
    pub(super) fn has(&self, server: &str, documents: Vec<Map<String, Value>>) {
        let mut all = self.shared.documents.lock().unwrap();
        all.insert(server.to_owned(), documents);
    }

    /// What it has of a server.
    pub(super) fn documents(&self, server: &str) -> Vec<Map<String, Value>> {
        let all = self.shared.documents.lock().unwrap();
        all.get(server).cloned().unwrap_or_default()
    }

    /// From now on it answers this to everything.
    pub(super) fn answers(&self, status: u16, body: &str) {
        *self.shared.instead.lock().unwrap() = Some((status, body.to_owned()));
    }

    pub(super) fn requests(&self) -> Vec<(String, Value)> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How often it was made to look for a key, of any server.
    pub(super) fn lookups(&self) -> usize {
        let requests = self.requests();
        let queries = requests
            .iter()
            .filter_map(|(_, body)| body["server_keys"].as_object());
        let criteria = queries.flat_map(Map::values);
        criteria
            .filter(|keys| keys.as_object().is_some_and(|keys| !keys.is_empty()))
            .count()
    }

    /// Waits until it was made to look so often.
    pub(super) async fn was_asked(&self, times: usize) {
        while self.lookups() < times {
            tokio::task::yield_now().await;
        }
    }
}

/// A homeserver of one process.
pub(super) fn homeserver(address: Address) -> Arc<Homeserver> {
    let health = Health::new(Arc::default());
    let main = Arc::new(Upstream::new("test".into(), address, None, health));
    let limits = GroupLimits {
        max_requests: 1000,
        max_queued: 0,
        max_wait: std::time::Duration::ZERO,
    };
    Arc::new(Homeserver::new(main, Vec::new(), |_| limits))
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, mut opened: watch::Receiver<bool>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let (_, length) = head.split_once("Content-Length: ").unwrap();
        let (length, _) = length.split_once("\r\n").unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let query: Value = serde_json::from_slice(&body).unwrap();
        shared.requests.lock().unwrap().push((head, query.clone()));
        drop(opened.wait_for(|open| *open).await);
        let instead = shared.instead.lock().unwrap().clone();
        let (status, body) = instead.unwrap_or_else(|| (200, shared.answer(&query)));
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        // The client may have had enough.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

impl Shared {
    fn answer(&self, query: &Value) -> String {
        let all = self.documents.lock().unwrap();
        let query = query["server_keys"].as_object().unwrap();
        let found = query.iter().flat_map(|(server, keys)| {
            let keys = keys.as_object().unwrap();
            let documents = all.get(server).into_iter().flatten();
            documents.filter(|document| has_any(document, keys))
        });
        json!({ "server_keys": found.collect::<Vec<_>>() }).to_string()
    }
}

/// Whether the document has any of these keys, the old ones among them; all have none.
fn has_any(document: &Map<String, Value>, keys: &Map<String, Value>) -> bool {
    let has = |id: &String| {
        let mut places = ["verify_keys", "old_verify_keys"].into_iter();
        places.any(|place| document[place].get(id).is_some())
    };
    for criteria in keys.values() {
        assert!(criteria["minimum_valid_until_ts"].is_u64(), "{criteria}");
    }
    keys.is_empty() || keys.keys().any(has)
}
