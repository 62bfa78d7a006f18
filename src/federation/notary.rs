//! What another server knows of the keys (server-server API, "Querying keys through another
//! server"): it has gone the whole way by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};

use super::context::Context;
use super::discovery::{self, Agents};
use super::fault;
use super::findings::{Findings, Names};
use super::http::{Answer, Body};
use super::probe::Place;
use super::report::{Connection, Notary};
use super::text::printable;
use crate::matrix::ServerName;

const QUERY: &str = "/_matrix/key/v2/query";
/// Most addresses of it that are tried.
const MOST_ADDRESSES: usize = 4;
/// Most keys that are looked at.
const MOST_KEYS: usize = 20;

/// Asks it, in one request to the first of its addresses that answers.
pub(super) async fn ask(
    context: &Context,
    notary: &ServerName,
    server_name: &str,
    now: i64,
    names: &Names,
) -> Notary {
    let mut told = Notary {
        name: notary.to_string(),
        keys: BTreeMap::new(),
        problem: None,
    };
    let query = json!({ "server_keys": { server_name: {} } }).to_string();
    match answer(context, notary, query, now, names).await {
        Ok(answer) => match keys(&answer, server_name, now) {
            Some(keys) => told.keys = keys,
            None => told.problem = Some(format!("it answers {}", answer.summary())),
        },
        Err(problem) => told.problem = Some(problem),
    }
    told
}

async fn answer(
    context: &Context,
    notary: &ServerName,
    query: String,
    now: i64,
    names: &Names,
) -> Result<Answer, String> {
    let discovered = discovery::discover(context, notary, Agents::Own, now, names).await;
    let mut addresses = Vec::new();
    for target in &discovered.targets {
        let found = target.addresses.found.iter();
        addresses.extend(found.map(|address| SocketAddr::new(*address, target.port)));
    }
    let mut problem = "it has no address".to_owned();
    for address in addresses.into_iter().take(MOST_ADDRESSES) {
        let place = Place {
            address,
            tls_name: discovered.plan.tls_name.clone(),
            host_header: discovered.plan.host_header.clone(),
        };
        let request = place
            .get(QUERY)
            .method("POST")
            .with("Content-Type", "application/json")
            .body(Body::Whole(Bytes::from(query.clone())));
        match place.ask(context, &request).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => problem = format!("{address}: {failure}"),
        }
    }
    Err(problem)
}

/// The keys of the server that are valid now; `None` where it is no answer to the query.
fn keys(answer: &Answer, server_name: &str, now: i64) -> Option<BTreeMap<String, String>> {
    let json = answer.json().filter(|_| answer.status == 200)?;
    let documents = json.get("server_keys")?.as_array()?;
    let is_current = |document: &&Value| {
        let until = document.get("valid_until_ts").and_then(Value::as_i64);
        document.get("server_name").and_then(Value::as_str) == Some(server_name)
            && until.is_some_and(|until| until > now.saturating_mul(1000))
    };
    let current = documents.iter().filter(is_current);
    let keys = current.filter_map(|document| document.get("verify_keys")?.as_object());
    let key =
        |(id, key): (&String, &Value)| Some((printable(id), printable(key.get("key")?.as_str()?)));
    Some(keys.flatten().filter_map(key).take(MOST_KEYS).collect())
}

/// Whether it knows the keys that the server itself publishes.
pub(super) fn judge(notary: &Notary, connections: &[Connection], names: &Names) -> Findings {
    let mut findings = Findings::default();
    let published = connections.iter().find(|one| !one.keys.is_empty());
    let (Some(published), None) = (published, &notary.problem) else {
        return findings;
    };
    let bare = |key: &str| key.trim_end_matches('=').to_owned();
    let is_unknown = |(id, key): &(&String, &String)| {
        notary.keys.get(*id).map(|known| bare(known)) != Some(bare(key))
    };
    let unknown: Vec<_> = published.keys.iter().filter(is_unknown).collect();
    let name = printable(&notary.name);
    let names = names.with("notary", name.clone());
    if notary.keys.is_empty() {
        let seen = format!("{name} has no valid keys of this server: it cannot fetch them");
        findings.add(&fault::KEY_NOTARY, seen, &names);
    } else if !unknown.is_empty() {
        let ids: Vec<_> = unknown.iter().map(|(id, _)| id.as_str()).collect();
        let at = &published.address;
        let seen = format!("{name} does not know {} as {at} has it", ids.join(", "));
        findings.add(&fault::KEY_NOTARY, seen, &names);
    }
    findings
}
