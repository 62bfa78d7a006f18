//! Another homeserver that sends signed requests, and whose keys the stub homeserver knows.

use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use vestibule::matrix::BASE64;

use super::{Answer, Homeserver, Request};

/// Whom requests are meant for: the one site of most tests.
const DESTINATION: &str = "example.com";

pub(crate) struct Sender {
    name: String,
    key_id: String,
    pair: Ed25519KeyPair,
}

impl Sender {
    /// A server with a key of its own, which its name gives.
    pub(crate) fn new(name: &str) -> Self {
        let mut seed = [7; 32];
        for (at, byte) in name.bytes().enumerate() {
            seed[at % 32] ^= byte;
        }
        Self {
            name: name.to_owned(),
            key_id: "ed25519:a_test".to_owned(),
            pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(),
        }
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        BASE64.encode(self.pair.sign(text.as_bytes()).as_ref())
    }

    /// `Authorization` for a request whose body, if there is one, is this canonical JSON.
    pub(crate) fn authorization(&self, method: &str, target: &str, body: Option<&str>) -> String {
        let name = &self.name;
        let content = body.map_or_else(String::new, |body| format!("\"content\":{body},"));
        let signature = self.sign(&format!(
            "{{{content}\"destination\":\"{DESTINATION}\",\"method\":\"{method}\",\"origin\":\"{name}\",\"uri\":\"{target}\"}}"
        ));
        let key_id = &self.key_id;
        format!(
            "X-Matrix origin=\"{name}\",key=\"{key_id}\",sig=\"{signature}\",destination=\"{DESTINATION}\""
        )
    }

    pub(crate) fn get(&self, target: &str) -> Request {
        Request::get(target).field("Authorization", &self.authorization("GET", target, None))
    }

    pub(crate) fn put(&self, target: &str, body: &str) -> Request {
        let authorization = self.authorization("PUT", target, Some(body));
        Request::put(target, body).field("Authorization", &authorization)
    }

    /// Its keys, signed by itself, valid for so long from now.
    pub(crate) fn keys(&self, valid_for: Duration) -> String {
        let until = (SystemTime::now() + valid_for)
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let (name, key_id) = (&self.name, &self.key_id);
        let public = BASE64.encode(self.pair.public_key().as_ref());
        let rest = format!(
            "\"valid_until_ts\":{until},\"verify_keys\":{{\"{key_id}\":{{\"key\":\"{public}\"}}}}"
        );
        let signed = format!("{{\"old_verify_keys\":{{}},\"server_name\":\"{name}\",{rest}}}");
        let signature = self.sign(&signed);
        format!(
            "{{\"old_verify_keys\":{{}},\"server_name\":\"{name}\",\"signatures\":{{\"{name}\":{{\"{key_id}\":\"{signature}\"}}}},{rest}}}"
        )
    }

    /// Has `homeserver` say what its keys are, to whoever asks it for keys.
    pub(crate) fn publish(&self, homeserver: &Homeserver) {
        let keys = self.keys(Duration::from_hours(24));
        let answer = Answer::json(200, &format!("{{\"server_keys\":[{keys}]}}"));
        homeserver.route("POST", "/_matrix/key/v2/query", answer);
    }
}
