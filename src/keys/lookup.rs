//! The question for the keys of a server, to the homeserver (server-server API, "Querying Keys
//! Through Another Server").

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kept::Kept;
use super::{Asking, NoKey, milliseconds};
use crate::matrix::server_keys::KeyDocument;
use crate::matrix::worker::Group;
use crate::message::{Fields, Protocol, RequestHead};
use crate::upstream::{Choice, Deadlines, Homeserver, Inquiry, NoAnswer, Pool};

const QUERY: &[u8] = b"/_matrix/key/v2/query";
/// Bytes of an answer; most have one or two thousand.
const LARGEST_ANSWER: usize = 128 << 10;
/// Documents that are read of an answer, those that are valid for longest. Synapse has one for each
/// key that a server ever had.
const MOST_DOCUMENTS: usize = 8;
/// How long the homeserver may take to get a key from its server. Synapse tries for longer, and
/// keeps what it gets then.
const TO_FETCH: Duration = Duration::from_secs(15);
/// How long it may take to say what it has.
const TO_LIST: Duration = Duration::from_secs(5);

/// One lookup, with all that it needs.
pub(super) struct Lookup {
    origin: Box<str>,
    key_id: Box<str>,
    /// Of when the document is that is known, where it is to be a newer one.
    newer_than: Option<u64>,
    client: IpAddr,
    host: Box<str>,
    homeserver: Arc<Homeserver>,
    pool: Arc<Pool>,
    deadlines: Deadlines,
}

#[derive(Deserialize)]
struct Answer {
    server_keys: Vec<Map<String, Value>>,
}

impl Lookup {
    pub(super) fn new(asking: &Asking<'_>, newer_than: Option<u64>) -> Self {
        Self {
            origin: asking.origin.as_sent().into(),
            key_id: asking.key_id.into(),
            newer_than,
            client: asking.client,
            host: asking.host.into(),
            homeserver: asking.homeserver.clone(),
            pool: asking.pool.clone(),
            deadlines: *asking.deadlines,
        }
    }

    /// What is known of the server afterwards, and whether the key is among it.
    ///
    /// Where it is not, the homeserver is asked for all it has of the server. It has just been
    /// made to look, so that this has the server's keys as they are now: whoever asks for keys
    /// that do not exist keeps none that do from being known.
    pub(super) async fn ask(&self, before: &Kept) -> (Kept, Result<(), NoKey>) {
        let least = self.newer_than.map(|known| known.saturating_add(1));
        let least = least.unwrap_or_else(|| milliseconds(SystemTime::now()));
        let criteria = json!({ &*self.key_id: { "minimum_valid_until_ts": least } });
        let answer = match self.question(&criteria, TO_FETCH).await {
            Ok(answer) => answer,
            Err(reason) => {
                return (
                    before.with(&[], &self.key_id, milliseconds(SystemTime::now())),
                    Err(reason),
                );
            }
        };
        let (kept, result) = self.judge(before, &answer);
        if result.is_ok() {
            return (kept, result);
        }
        match self.question(&json!({}), TO_LIST).await {
            Ok(answer) if !answer.is_empty() => self.judge(&kept, &answer),
            Ok(_) | Err(_) => (kept, result),
        }
    }

    /// Adds the documents of an answer to what is known.
    fn judge(&self, before: &Kept, answer: &[Map<String, Value>]) -> (Kept, Result<(), NoKey>) {
        let now = milliseconds(SystemTime::now());
        let documents = answer.iter();
        let mut documents: Vec<_> = documents
            .filter_map(|document| KeyDocument::new(document, &self.origin))
            .filter(|document| document.valid_until() >= now)
            .collect();
        documents.sort_by_key(KeyDocument::valid_until);
        let surplus = documents.len().saturating_sub(MOST_DOCUMENTS);
        documents.drain(..surplus);
        let kept = before.with(&documents, &self.key_id, now);
        let names_it =
            |document: &KeyDocument<'_>| document.key_ids().any(|id| *id == *self.key_id);
        let result = if kept.key(&self.key_id, now).is_some() {
            Ok(())
        } else if documents.iter().any(names_it) {
            Err(NoKey::Rejected)
        } else {
            Err(NoKey::Absent)
        };
        (kept, result)
    }

    /// Asks for the keys of the server that fit `criteria`.
    ///
    /// The process that answers such questions of other servers answers this one: a worker of
    /// `federation_reader` where there is one, as the main process may have no federation on its
    /// listener then. Where all that may be asked is busy it is the main process, since there are
    /// few of these questions and each is one of many requests.
    async fn question(
        &self,
        criteria: &Value,
        within: Duration,
    ) -> Result<Vec<Map<String, Value>>, NoKey> {
        let turn = match self.homeserver.choose(Group::FederationReader, None) {
            Choice::Go(turn, _) => Some(turn),
            Choice::Full | Choice::Nobody => None,
        };
        let upstream = match &turn {
            Some(turn) => turn.upstream(),
            None => self.homeserver.main(),
        };
        let query = json!({ "server_keys": { &*self.origin: criteria } }).to_string();
        let inquiry = Inquiry {
            head: &self.head(query.len()),
            body: Bytes::from(query),
            most: LARGEST_ANSWER,
            within,
        };
        match self.pool.ask(upstream, &self.deadlines, &inquiry).await {
            Ok((head, body)) if head.status == StatusCode::OK => {
                let answer: Answer = serde_json::from_slice(&body).map_err(|_| NoKey::Failed)?;
                Ok(answer.server_keys)
            }
            Err(NoAnswer::Timeout) => Err(NoKey::Late),
            Err(NoAnswer::TooLarge) => Err(NoKey::Rejected),
            Err(NoAnswer::NoConnection(reason)) => {
                if reason.is_away() {
                    upstream.refused(&reason);
                }
                Err(NoKey::Failed)
            }
            Ok(_) | Err(NoAnswer::Broken(_)) => Err(NoKey::Failed),
        }
    }

    /// The head names the client who needs the key, so that the homeserver's log does.
    fn head(&self, length: usize) -> RequestHead {
        let mut fields = Fields::default();
        fields.push("Host", &*self.host);
        fields.push("X-Forwarded-For", self.client.to_string());
        fields.push("X-Forwarded-Proto", "https");
        fields.push("User-Agent", "vestibule");
        fields.push("Content-Type", "application/json");
        fields.push("Content-Length", length.to_string());
        RequestHead {
            method: Method::POST,
            target: QUERY.into(),
            protocol: Protocol::Http11,
            fields,
        }
    }
}
