//! The way of a client: its well-known document, the URL in it, CORS, and what the homeserver
//! believes of the connection.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use serde_json::Value;

use super::{Place, leak};
use crate::federation::certificate;
use crate::federation::context::{Context, Failure};
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::http::{AGENT, Answer};
use crate::federation::options::DnsSource;
use crate::federation::text::printable;
use crate::federation::tls::Offer;
use crate::federation::url::Url;
use crate::federation::well_known::{Fetched, ORIGIN, Wanted, cors_origins, fetch};

const DOCUMENT: &str = "/.well-known/matrix/client";
const SUPPORT: &str = "/.well-known/matrix/support";
const SSO: &str =
    "/_matrix/client/v3/login/sso/redirect?redirectUrl=https%3A%2F%2Fvestibule-check.invalid%2F";

/// What clients see.
#[derive(Debug, Default)]
pub(in crate::federation) struct Checked {
    /// About the documents at the server name.
    pub(in crate::federation) of_documents: Findings,
    /// About the place that they lead to.
    pub(in crate::federation) of_base: Findings,
    pub(in crate::federation) base: Option<Place>,
    pub(in crate::federation) base_url: Option<String>,
}

/// Goes the way of a client.
pub(in crate::federation) async fn check(
    context: &Context,
    host: &str,
    now: i64,
    names: &Names,
) -> Checked {
    let mut checked = Checked::default();
    let Some((address, fetched)) = fetch_document(context, host, now).await else {
        return checked;
    };
    let document = judge_document(&fetched, names, &mut checked.of_documents);
    let wanted = Wanted {
        host,
        path: SUPPORT,
        agent: AGENT,
        is_browser: true,
    };
    let support = fetch(context, wanted, address, now);
    let Some(document) = document else {
        judge_support(&support.await, names, &mut checked.of_documents);
        return checked;
    };
    let Some(base_url) = base_url(&document) else {
        let seen = format!("in https://{host}{DOCUMENT} m.homeserver.base_url is no https URL");
        checked
            .of_documents
            .add(&fault::CLIENT_WK_BASE_URL, seen, names);
        return checked;
    };
    let shown = base_url.to_string().trim_end_matches('/').to_owned();
    let names = names.with("base_url", shown.clone());
    checked.base_url = Some(shown);
    let (support, base, links) = tokio::join!(
        support,
        check_base(context, &base_url, now, &names),
        check_links(context, &document, &names),
    );
    judge_support(&support, &names, &mut checked.of_documents);
    checked.of_documents.extend(links);
    (checked.of_base, checked.base) = base;
    checked
}

/// The client document, from the first address that answers.
async fn fetch_document(context: &Context, host: &str, now: i64) -> Option<(IpAddr, Fetched)> {
    let wanted = Wanted {
        host,
        path: DOCUMENT,
        agent: AGENT,
        is_browser: true,
    };
    let addresses = context.dns.addresses(host, 443).await.found;
    let all = addresses.into_iter().take(4);
    let all =
        all.map(|address| async move { (address, fetch(context, wanted, address, now).await) });
    let all = join_all(all).await;
    all.into_iter().find(|(_, fetched)| fetched.result.is_ok())
}

/// What the client document says, where there is one.
fn judge_document(
    fetched: &Fetched,
    names: &Names,
    findings: &mut Findings,
) -> Option<serde_json::Map<String, Value>> {
    let answer = fetched.result.as_ref().ok()?;
    if answer.status == 404 && fetched.dead_end.is_none() {
        return None;
    }
    let at = fetched
        .hops
        .last()
        .map_or_else(String::new, |hop| hop.url.to_string());
    if answer.status != 200 {
        let seen = format!("{at} answers with status {}", answer.status);
        findings.add(&fault::CLIENT_WK_STATUS, seen, names);
        return None;
    }
    let Some(document) = answer.json() else {
        findings.add(
            &fault::CLIENT_WK_JSON,
            format!("{at} is no JSON object"),
            names,
        );
        return None;
    };
    for hop in &fetched.hops {
        if hop.cors_origins != 1 {
            let (url, count) = (&hop.url, hop.cors_origins);
            let seen = format!("{url} has {count} values of Access-Control-Allow-Origin");
            findings.add(&fault::CLIENT_WK_CORS, seen, names);
        }
    }
    let kind = answer.field("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        let seen = format!("{at} has the Content-Type {:?}", printable(kind));
        findings.add(&fault::CLIENT_WK_TYPE, seen, names);
    }
    Some(document)
}

fn base_url(document: &serde_json::Map<String, Value>) -> Option<Url> {
    let text = document.get("m.homeserver")?.get("base_url")?.as_str()?;
    Url::parse(text).ok().filter(|url| url.is_https)
}

fn judge_support(fetched: &Fetched, names: &Names, findings: &mut Findings) {
    let Ok(answer) = &fetched.result else { return };
    if answer.status != 200 {
        return;
    }
    let is_valid = answer.json().is_some_and(|json| {
        let contacts = json.get("contacts").and_then(Value::as_array);
        let has_contacts = contacts.is_some_and(|contacts| {
            let one = |contact: &Value| {
                contact.get("role").is_some_and(Value::is_string)
                    && ["matrix_id", "email_address"]
                        .iter()
                        .any(|key| contact.get(key).is_some())
            };
            !contacts.is_empty() && contacts.iter().all(one)
        });
        has_contacts || json.get("support_page").is_some_and(Value::is_string)
    });
    if !is_valid {
        let seen = format!("the document at {SUPPORT} does not follow the specification");
        findings.add(&fault::SUPPORT_SCHEMA, seen, names);
    }
}

/// A place that answers for a URL.
async fn place(context: &Context, url: &Url) -> Option<Place> {
    let addresses = context.dns.addresses(&url.host, url.port).await.found;
    for address in addresses.into_iter().take(4) {
        let address = SocketAddr::new(address, url.port);
        if context.connect(address).await.is_ok() {
            return Some(Place {
                address,
                tls_name: url.host.clone(),
                host_header: url.authority(),
            });
        }
    }
    None
}

async fn check_base(
    context: &Context,
    base_url: &Url,
    now: i64,
    names: &Names,
) -> (Findings, Option<Place>) {
    let mut findings = Findings::default();
    let Some(place) = place(context, base_url).await else {
        let seen = format!("nobody answers at {base_url}");
        findings.add(&fault::CLIENT_WK_VERSIONS, seen, names);
        return (findings, None);
    };
    let prefix = base_url.target.trim_end_matches('/').to_owned();
    let get = |path: &str| place.get(format!("{prefix}{path}"));
    let (versions_url, metadata_url) = (
        get("/_matrix/client/versions"),
        get("/_matrix/client/v1/auth_metadata"),
    );
    let preflight = get("/_matrix/client/v3/login")
        .method("OPTIONS")
        .with("Origin", ORIGIN)
        .with("Access-Control-Request-Method", "POST")
        .with(
            "Access-Control-Request-Headers",
            "authorization,content-type",
        );
    let versions_request = versions_url.with("Origin", ORIGIN);
    let sso_request = get(SSO);
    let (versions, preflight, sso, metadata, leaks, certificate) = tokio::join!(
        place.ask(context, &versions_request),
        place.ask(context, &preflight),
        place.ask(context, &sso_request),
        place.ask(context, &metadata_url),
        leak::check(context, &place, names),
        judge_certificate(context, &place, now, names),
    );
    findings.extend(certificate);
    judge_versions(&versions, base_url, names, &mut findings);
    if !findings.has("client.wk") {
        judge_cors(&versions, &preflight, base_url, names, &mut findings);
        judge_sso(&sso, base_url, names, &mut findings);
        judge_metadata(&metadata, names, &mut findings);
    }
    findings.extend(leaks);
    (findings, Some(place))
}

async fn judge_certificate(context: &Context, place: &Place, now: i64, names: &Names) -> Findings {
    let names = names.with("tls_name", place.tls_name.clone());
    let _probe = context.probe().await;
    let shaken = context
        .shake_hands(place.address, &place.tls_name, Offer::default())
        .await;
    if let Ok(connected) = shaken {
        let at = place.address.to_string();
        let standard = context.standard(&place.tls_name, now);
        return certificate::judge(&connected.handshake.chain, &standard, &at, &names);
    }
    Findings::default()
}

fn judge_versions(
    answer: &Result<Answer, Failure>,
    base_url: &Url,
    names: &Names,
    findings: &mut Findings,
) {
    let seen = match answer {
        Ok(answer)
            if answer
                .json()
                .is_some_and(|json| json.contains_key("versions")) =>
        {
            return;
        }
        Ok(answer) => format!(
            "{base_url} answers {} to /_matrix/client/versions",
            answer.summary()
        ),
        Err(failure) => format!("{base_url}: {failure}"),
    };
    findings.add(&fault::CLIENT_WK_VERSIONS, seen, names);
}

fn judge_cors(
    versions: &Result<Answer, Failure>,
    preflight: &Result<Answer, Failure>,
    base_url: &Url,
    names: &Names,
    findings: &mut Findings,
) {
    for (what, answer) in [("GET", versions), ("OPTIONS", preflight)] {
        let Ok(answer) = answer else { continue };
        let seen = |what_is: &str| {
            format!("{what} on {base_url} has {what_is} Access-Control-Allow-Origin")
        };
        match cors_origins(answer) {
            0 => findings.add(&fault::CLIENT_CORS_MISSING, seen("no"), names),
            1 => {}
            _ => findings.add(&fault::CLIENT_CORS_DOUBLE, seen("more than one"), names),
        }
    }
    let Ok(preflight) = preflight else { return };
    if findings.has("client.cors") {
        return;
    }
    if !(200..300).contains(&preflight.status) {
        let seen = format!(
            "OPTIONS on {base_url} is answered with {}",
            preflight.summary()
        );
        findings.add(&fault::CLIENT_CORS_MISSING, seen, names);
        return;
    }
    let allows = |field: &str, wanted: &str| {
        preflight
            .fields
            .elements(field)
            .any(|one| one.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let has_methods = ["GET", "POST", "PUT", "DELETE"]
        .iter()
        .all(|method| allows("access-control-allow-methods", method));
    if !has_methods || !allows("access-control-allow-headers", "authorization") {
        let seen = format!("OPTIONS on {base_url} allows not all methods, or not Authorization");
        findings.add(&fault::CLIENT_CORS_HEADERS, seen, names);
    }
}

/// Where single sign-on leads: on, and never back.
fn judge_sso(
    answer: &Result<Answer, Failure>,
    base_url: &Url,
    names: &Names,
    findings: &mut Findings,
) {
    let Ok(answer) = answer else { return };
    let location = answer.field("location").map(printable);
    let Some(location) = location.filter(|_| answer.is_redirect()) else {
        return;
    };
    let Ok(to) = base_url.join(&location) else {
        return;
    };
    let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
    let is_same_path = path(&to.target).ends_with("/login/sso/redirect");
    let seen = format!("single sign-on at {base_url} redirects to {location}");
    if is_same_path && to.is_https && to.authority() == base_url.authority() {
        findings.add(&fault::FWD_LOOP, seen, names);
    } else if !to.is_https || location.contains("service=http%3A") {
        findings.add(&fault::FWD_PROTO, seen, names);
    } else if is_same_path && (!to.host.contains('.') || to.host.starts_with("127.")) {
        findings.add(&fault::FWD_HOST, seen, names);
    }
}

fn judge_metadata(answer: &Result<Answer, Failure>, names: &Names, findings: &mut Findings) {
    let Ok(answer) = answer else { return };
    let Some(json) = answer.json().filter(|_| answer.status == 200) else {
        return;
    };
    let plain = json.iter().find_map(|(key, value)| {
        let url = value.as_str().filter(|url| url.starts_with("http://"))?;
        Some(format!(
            "auth_metadata says {} for {}",
            printable(url),
            printable(key)
        ))
    });
    if let Some(seen) = plain {
        findings.add(&fault::FWD_PROTO, seen, names);
    }
}

/// The services that the document names.
async fn check_links(
    context: &Context,
    document: &serde_json::Map<String, Value>,
    names: &Names,
) -> Findings {
    let mut findings = Findings::default();
    if context.options.dns == DnsSource::Nobody {
        // Other people's services have no address here.
        return findings;
    }
    let identity = document
        .get("m.identity_server")
        .and_then(|one| one.get("base_url"));
    let foci = document
        .get("org.matrix.msc4143.rtc_foci")
        .and_then(Value::as_array);
    let foci = foci
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("livekit_service_url"));
    for link in identity
        .into_iter()
        .chain(foci)
        .filter_map(Value::as_str)
        .take(4)
    {
        let shown = printable(link);
        let names = names.with("link", shown.clone());
        let answer = match Url::parse(link) {
            Ok(url) => match place(context, &url).await {
                Some(place) => place
                    .ask(context, &place.get(url.target))
                    .await
                    .map_err(|f| f.to_string()),
                None => Err("nobody answers there".to_owned()),
            },
            Err(_) => Err("it is no URL".to_owned()),
        };
        match answer {
            Err(failure) => {
                findings.add(&fault::CLIENT_LINK, format!("{shown}: {failure}"), &names);
            }
            Ok(answer) if answer.status >= 500 => {
                let seen = format!("{shown} answers with status {}", answer.status);
                findings.add(&fault::CLIENT_LINK, seen, &names);
            }
            Ok(_) => {}
        }
    }
    findings
}
