//! The doctor: goes the way that other servers and clients go to a homeserver, and says what is
//! wrong with it.
//!
//! | step | where |
//! |---|---|
//! | is it a server name? | [`name`] |
//! | server discovery: `.well-known`, SRV, addresses | [`discovery`], [`well_known`], [`dns`] |
//! | each address: connection, certificate, keys | [`probe::address`], [`certificate`], [`keys`] |
//! | the first that answers: TLS versions, API, paths, leaks | [`probe`] |
//! | the program itself, by its configuration | [`configured`] |
//! | with the server's key: signed requests to itself | [`probe::signed`], [`signing`] |
//! | what another server knows of the keys | [`notary`] |
//! | the way of a client | [`probe::client`] |
//! | what was found, and in which words | [`fault`], [`findings`], [`report`] |
//!
//! Probes only ask; what an answer means is said by functions over answers. Each fault is told
//! once, by its cause: what follows from it is left out ([`verdict`]).

mod certificate;
mod configured;
mod context;
mod discovery;
mod dns;
pub mod fault;
mod findings;
mod http;
mod keys;
mod legacy_tls;
mod name;
mod network;
mod notary;
mod options;
mod own;
mod probe;
mod report;
mod roots;
mod signing;
mod srv;
mod text;
mod tls;
mod url;
mod verdict;
mod well_known;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;

pub use configured::{NoSubject, Subject, subjects};
pub use context::Progress;
pub use fault::Severity;
pub use findings::Finding;
pub use options::{ConnectTo, DnsSource, Malformed, Options, Resolve};
pub use own::Own;
pub use report::*;
pub use roots::{UnusableRoots, roots};
pub use signing::{SigningKey, UnusableKey};

use crate::matrix::ServerName;
use context::Context;
use discovery::{Agents, Discovered};
use dns::Dns;
use findings::{Findings, Names};
use keys::Asking;
use probe::address::{Reached, reach};
use probe::{Place, client, federation, leak, path, protocol, signed};

/// Most addresses of one host that are connected to.
const MOST_ADDRESSES: usize = 8;

/// Checks the server that `text` names.
///
/// # Errors
/// When the check cannot be done at all: the resolver cannot be set up.
pub async fn check(
    text: &str,
    options: Options,
    progress: Arc<Progress>,
) -> Result<Report, String> {
    let began = Instant::now();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut report = Report {
        format: 1,
        server_name: text::printable(text),
        checked_at: now,
        took_ms: 0,
        verdict: Verdict::Broken,
        findings: Vec::new(),
        discovery: Discovery::default(),
        connections: Vec::new(),
        version: None,
        notary: None,
        client_base_url: None,
        checks: Vec::new(),
    };
    let is_signed = options.signing_key.is_some();
    let (parsed, findings) = name::judge(text);
    let findings = match parsed {
        Some(name) => {
            let dns = Dns::new(options.dns, options.resolve.clone(), options.timeout)?;
            let context = Context::new(options, dns, progress);
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            Box::pin(examine(&context, &name, now, findings, &mut report)).await
        }
        None => findings,
    };
    report.findings = findings.into_sorted();
    report.verdict = Verdict::of(&report.findings);
    report.checks = verdict::groups(&report, is_signed);
    report.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Everything after the name.
async fn examine(
    context: &Context,
    name: &ServerName,
    now: i64,
    mut findings: Findings,
    report: &mut Report,
) -> Findings {
    let names = Names::new(name.as_str());
    let names = match &context.options.own {
        Some(own) => names.of_own(own),
        None => names,
    };
    let notary = async {
        let notary = context.options.notary.as_ref()?;
        Some(notary::ask(context, notary, name.as_str(), now, &names).await)
    };
    let (discovered, client, notary) = tokio::join!(
        reach_server(context, name, now, &names),
        client::check(context, name.host(), now, &names),
        Box::pin(notary),
    );
    let Server {
        discovered,
        reached,
        version,
        of_api,
    } = discovered;
    report.version = version;
    report.client_base_url.clone_from(&client.base_url);
    findings.extend(verdict::conclude(
        &discovered,
        &reached,
        of_api,
        client,
        &names,
    ));
    report.discovery = discovered.report;
    report.connections = reached
        .into_iter()
        .map(|reached| reached.connection)
        .collect();
    if let Some(notary) = &notary {
        findings.extend(notary::judge(notary, &report.connections, &names));
    }
    report.notary = notary;
    findings
}

/// What other servers meet.
struct Server {
    discovered: Discovered,
    reached: Vec<Reached>,
    version: Option<Version>,
    of_api: Findings,
}

async fn reach_server(context: &Context, name: &ServerName, now: i64, names: &Names) -> Server {
    let discovered = discovery::discover(context, name, Agents::All, now, names).await;
    let names = &verdict::names_of(&discovered, names);
    let asking = Asking {
        server_name: name.as_str(),
        now,
        names,
    };
    let places = places(&discovered.targets, &discovered);
    let mut reached = join_all(places.map(|place| reach(context, place, &asking))).await;
    let mut server_version = None;
    let mut of_api = Findings::default();
    let with_tls = reached
        .iter()
        .position(|one| one.connection.tls_version.is_some());
    let with_keys = reached.iter().position(|one| one.has_keys);
    if let Some(place) = with_tls
        .and_then(|at| reached.get(at))
        .map(|one| one.place.clone())
    {
        let protocols = protocol::check(context, &place, names);
        let api = async {
            let one = with_keys.and_then(|at| reached.get(at))?;
            Some(Box::pin(check_api(context, one, name, now, names)).await)
        };
        let ((of_protocols, offers_http2), api) = tokio::join!(protocols, api);
        of_api.extend(of_protocols);
        if let Some((findings, version)) = api {
            of_api.extend(findings);
            server_version = version;
        }
        if let Some(one) = with_tls.and_then(|at| reached.get_mut(at)) {
            one.connection.offers_http2 = offers_http2;
        }
    }
    Server {
        discovered,
        reached,
        version: server_version,
        of_api,
    }
}

/// The API, on the first address that answers with keys.
async fn check_api(
    context: &Context,
    reached: &Reached,
    name: &ServerName,
    now: i64,
    names: &Names,
) -> (Findings, Option<Version>) {
    let place = &reached.place;
    let names = &names.with("address", place.address.to_string());
    let (checked, leaks) = tokio::join!(
        federation::check(context, place, name.as_str(), names),
        leak::check(context, place, names),
    );
    let mut findings = checked.findings;
    findings.extend(leaks);
    let Some(plain) = checked.unauthorized else {
        return (findings, checked.version);
    };
    findings.extend(path::check(context, place, plain, name.as_str(), names).await);
    let Some(key) = &context.options.signing_key else {
        return (findings, checked.version);
    };
    let published = reached.connection.keys.get(key.id());
    if published.is_some_and(|text| text.trim_end_matches('=') == key.public()) {
        let signer = signed::Signer {
            server_name: name.as_str(),
            key,
            now,
        };
        let signed = signer.check(context, place, names).await;
        // What an altered path or header does to signatures is told by its cause.
        if !findings.has("path.") && !findings.has("auth.") {
            findings.extend(signed);
        }
    } else {
        let seen = format!("{} publishes another key than {}", place.address, key.id());
        findings.add(&fault::SIG_KEY, seen, &names.with("key_id", key.id()));
    }
    (findings, checked.version)
}

/// Every address of every host.
fn places(targets: &[discovery::Target], discovered: &Discovered) -> impl Iterator<Item = Place> {
    let plan = &discovered.plan;
    targets.iter().flat_map(move |target| {
        let addresses = target.addresses.found.iter().take(MOST_ADDRESSES);
        addresses.map(move |address| Place {
            address: SocketAddr::new(*address, target.port),
            tls_name: plan.tls_name.clone(),
            host_header: plan.host_header.clone(),
        })
    })
}
