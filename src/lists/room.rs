//! Lists in Matrix rooms (client-server API, "Moderation policy lists").

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::keep::Asking;
use super::{Content, Found};
use crate::matrix::ServerPattern;
use crate::matrix::server_list::MOST_LISTED;
use crate::message::{Fields, Protocol, RequestHead};
use crate::upstream::Inquiry;

/// The types of rules about servers, the one that counts first: a rule of a later type does not
/// count where there is one of an earlier type with the same key.
const TYPES: [&str; 3] = [
    "m.policy.rule.server",
    "m.room.rule.server",
    "org.matrix.mjolnir.rule.server",
];
/// What keeps a server out.
const BANS: [&str; 4] = [
    "m.ban",
    "m.takedown",
    "org.matrix.mjolnir.ban",
    "org.matrix.msc4204.takedown",
];
/// The state of a room with some ten thousand members.
const LARGEST_STATE: usize = 32 << 20;
/// Globs are tried one by one.
const MOST_GLOBS: usize = 1_000;
const LARGEST_ALIAS: usize = 64 << 10;
const LONGEST_TOKEN: usize = 4 << 10;
/// Synapse may have to look for much.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A policy room.
#[derive(Debug)]
pub struct RoomSource {
    /// Its id or an alias.
    pub room: Box<str>,
    /// A file with the access token of an account that is in it.
    pub token_file: PathBuf,
    /// The server name of the homeserver that is asked.
    pub site: Box<str>,
}

/// The part of an event of a room's state that matters here.
#[derive(Deserialize)]
struct StateEvent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    state_key: String,
    #[serde(default)]
    content: Rule,
}

#[derive(Default, Deserialize)]
struct Rule {
    #[serde(default)]
    entity: Value,
    #[serde(default)]
    recommendation: Value,
}

#[derive(Deserialize)]
struct Alias {
    room_id: String,
}

impl RoomSource {
    /// Tells this room from others.
    pub(super) fn identity(&self) -> String {
        format!("{} at {}", self.room, self.site)
    }

    /// Reads the state of the room.
    pub(super) async fn look(&self, asking: &Asking) -> Result<Found, String> {
        let token = self.token()?;
        let id = if self.room.starts_with('#') {
            let alias = utf8_percent_encode(&self.room, NON_ALPHANUMERIC);
            let target = format!("/_matrix/client/v3/directory/room/{alias}");
            let body = self.ask(asking, &target, &token, LARGEST_ALIAS).await?;
            let alias: Alias = serde_json::from_slice(&body)
                .map_err(|_| "the homeserver does not tell the room of the alias".to_owned())?;
            alias.room_id
        } else {
            self.room.to_string()
        };
        let id = utf8_percent_encode(&id, NON_ALPHANUMERIC);
        let target = format!("/_matrix/client/v3/rooms/{id}/state");
        let state = self.ask(asking, &target, &token, LARGEST_STATE).await?;
        content(&state).map(Found::New)
    }

    fn token(&self) -> Result<String, String> {
        let path = self.token_file.display();
        let text = fs::read_to_string(&self.token_file)
            .map_err(|error| format!("cannot read {path}: {error}"))?;
        let token = text.trim();
        let is_token = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || token.len() > LONGEST_TOKEN || !is_token {
            return Err(format!("{path} holds no access token"));
        }
        Ok(token.to_owned())
    }

    async fn ask(
        &self,
        asking: &Asking,
        target: &str,
        token: &str,
        most: usize,
    ) -> Result<bytes::Bytes, String> {
        let mut fields = Fields::default();
        fields.push("Host", &*self.site);
        fields.push("Authorization", format!("Bearer {token}"));
        fields.push("X-Forwarded-For", "127.0.0.1");
        fields.push("X-Forwarded-Proto", "https");
        fields.push(
            "User-Agent",
            concat!("vestibule/", env!("CARGO_PKG_VERSION")),
        );
        let head = RequestHead {
            method: Method::GET,
            target: target.to_owned().into(),
            protocol: Protocol::Http11,
            fields,
        };
        let homeserver = asking.homeserver.as_deref();
        let homeserver = homeserver.ok_or("the site is not there")?;
        let inquiry = Inquiry {
            head: &head,
            body: bytes::Bytes::new(),
            most,
            within: TIMEOUT,
        };
        let asked = asking.pool.ask(homeserver, &asking.deadlines, &inquiry);
        let (answer, body) = asked.await.map_err(|error| error.to_string())?;
        match answer.status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED => Err("the homeserver does not know the access token".into()),
            StatusCode::FORBIDDEN => Err("the account is not in the room: let it join".into()),
            StatusCode::NOT_FOUND => Err("the homeserver does not know the room".into()),
            other => Err(format!(
                "the homeserver answers with status {}",
                other.as_u16()
            )),
        }
    }
}

/// Whom the rules of a room's state ban.
fn content(state: &[u8]) -> Result<Content, String> {
    let events: Vec<StateEvent> = serde_json::from_slice(state)
        .map_err(|_| "the homeserver's answer is no state of a room".to_owned())?;
    let mut rules: HashMap<String, (usize, Rule)> = HashMap::new();
    for event in events {
        let Some(rank) = TYPES.iter().position(|kind| *kind == event.kind) else {
            continue;
        };
        let known = rules.get(&event.state_key);
        if known.is_none_or(|(other, _)| rank < *other) {
            rules.insert(event.state_key, (rank, event.content));
        }
    }
    let mut content = Content::default();
    let mut globs = 0;
    for (_, rule) in rules.into_values() {
        let recommendation = rule.recommendation.as_str().unwrap_or_default();
        if !BANS.contains(&recommendation) {
            // Lifted, or none that keeps anybody out.
            continue;
        }
        match pattern(&rule.entity) {
            Some(ServerPattern::Glob(_)) if globs == MOST_GLOBS => content.skipped += 1,
            Some(pattern) => {
                globs += usize::from(matches!(pattern, ServerPattern::Glob(_)));
                content.patterns.push(pattern);
            }
            None => content.skipped += 1,
        }
    }
    if content.patterns.len() > MOST_LISTED {
        return Err(format!("it names more than {MOST_LISTED} servers"));
    }
    Ok(content)
}

/// Whom an entity means; nobody where that would be everybody.
fn pattern(entity: &Value) -> Option<ServerPattern> {
    match ServerPattern::of_entity(entity.as_str()?).ok()? {
        ServerPattern::All => None,
        ServerPattern::Glob(glob) if !glob.names_somebody() => None,
        pattern => Some(pattern),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(kind: &str, key: &str, content: &Value) -> Value {
        json!({ "type": kind, "state_key": key, "content": content, "sender": "@a:b", "x": 1 })
    }

    fn ban(entity: &str) -> Value {
        json!({ "entity": entity, "recommendation": "m.ban", "reason": "spam" })
    }

    fn shown(state: &Value) -> (Vec<String>, usize) {
        let content = content(state.to_string().as_bytes()).unwrap();
        let mut names: Vec<String> = content.patterns.iter().map(ToString::to_string).collect();
        names.sort();
        (names, content.skipped)
    }

    #[test]
    fn bans_of_servers_are_read_and_all_else_is_not() {
        let state = json!([
            rule("m.room.create", "", &json!({ "entity": "create.example" })),
            rule("m.room.member", "@a:b", &json!({ "membership": "join" })),
            rule("m.policy.rule.user", "u", &ban("@evil:evil.example")),
            rule("m.policy.rule.server", "1", &ban("Evil.example")),
            rule("m.policy.rule.server", "2", &ban("*.evil.example")),
            rule("m.policy.rule.server", "3", &ban("ev?l*.example")),
            rule(
                "org.matrix.mjolnir.rule.server",
                "4",
                &json!({ "entity": "old.example", "recommendation": "org.matrix.mjolnir.ban" })
            ),
            // Lifted by no content, and by another recommendation.
            rule("m.policy.rule.server", "5", &json!({})),
            rule(
                "m.policy.rule.server",
                "6",
                &json!({ "entity": "nice.example", "recommendation": "org.example.allow" })
            ),
        ]);
        let expected = [
            "*.evil.example",
            "ev?l*.example",
            "evil.example",
            "old.example",
        ];
        assert_eq!(shown(&state), (expected.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn a_rule_of_the_newest_type_counts_alone() {
        let state = json!([
            rule("org.matrix.mjolnir.rule.server", "1", &ban("old.example")),
            rule("m.policy.rule.server", "1", &json!({})),
            rule("m.room.rule.server", "2", &ban("mid.example")),
            rule("org.matrix.mjolnir.rule.server", "2", &ban("older.example")),
        ]);
        assert_eq!(shown(&state), (vec!["mid.example".to_owned()], 0));
    }

    #[test]
    fn what_names_no_server_or_everybody_is_skipped() {
        let state = json!([
            rule("m.policy.rule.server", "1", &ban("*")),
            rule("m.policy.rule.server", "2", &ban("*.*")),
            rule("m.policy.rule.server", "3", &ban("not a server")),
            rule(
                "m.policy.rule.server",
                "4",
                &json!({ "entity": 1, "recommendation": "m.ban" })
            ),
            rule(
                "m.policy.rule.server",
                "5",
                &json!({ "recommendation": "m.ban" })
            ),
            rule("m.policy.rule.server", "6", &ban("evil.example")),
        ]);
        assert_eq!(shown(&state), (vec!["evil.example".to_owned()], 5));
        assert!(content(b"{}").is_err());
    }
}
