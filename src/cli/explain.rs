//! `vestibule explain`: what would happen to a request, and why.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::{CONFIGURATION, Exit, Terminal, load_compiled};
use crate::config::Config;
use crate::listen::{ConnectionFacts, Listener, Peer};
use crate::matrix::{Profile, ServerName};
use crate::message::{Fields, Protocol, RequestHead};
use crate::proxy::explain::{
    Explanation, Forwarded, KnownKey, Limited, Outcome, Placed, RuleDoes, RuleSaid, explain,
};
use crate::runtime::read_lists;
use crate::telemetry::{Settings, Telemetry};

/// What to explain.
#[derive(Debug, Args)]
pub struct Command {
    /// GET, PUT, ...
    method: String,
    /// `https://host[:port]/path?query`, or a path at the first site
    url: String,
    /// A header field of the request, such as "Authorization: Bearer ..."
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The server that says to send the request, in place of an Authorization header
    #[arg(long, value_name = "SERVER")]
    origin: Option<String>,
    /// The client's address
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// The configuration file
    #[arg(short, long = "config", value_name = "FILE", default_value = CONFIGURATION)]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A URL taken apart, its target byte for byte as it was written.
struct Url<'a> {
    is_tls: bool,
    authority: &'a str,
    port: Option<u16>,
    target: &'a str,
}

/// Explains one request. Nothing is sent anywhere.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn run(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some((config, snapshot)) = load_compiled(&command.file, terminal)? else {
        return Ok(Exit::Usage);
    };
    if let Err(problem) = read_lists(&config, &snapshot) {
        writeln!(terminal.err, "error: {problem}")?;
        return Ok(Exit::Usage);
    }
    let request = request(command, &config);
    let (head, facts) = match request {
        Ok(request) => request,
        Err(problem) => {
            writeln!(terminal.err, "error: {problem}")?;
            return Ok(Exit::Usage);
        }
    };
    let settings = Settings {
        started: SystemTime::now(),
        access_log: None,
    };
    let telemetry = Telemetry::start(settings).map_err(io::Error::other)?;
    let explanation = explain(snapshot, Arc::new(telemetry), &head, &facts);
    if command.json {
        writeln!(terminal.out, "{:#}", as_json(&explanation, &facts))?;
    } else {
        write!(terminal.out, "{}", as_text(&explanation, &facts))?;
    }
    Ok(Exit::Done)
}

fn request(command: &Command, config: &Config) -> Result<(RequestHead, ConnectionFacts), String> {
    let method = Method::from_bytes(command.method.as_bytes())
        .map_err(|_| format!("{:?} is not a method; write GET, PUT, ...", command.method))?;
    let first = config
        .sites
        .first()
        .map_or("", |site| site.server_name.host());
    let url = Url::parse(&command.url, first)?;
    let mut fields = Fields::default();
    fields.push("Host", url.authority);
    for header in &command.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("{header:?} is not a header field; write \"Name: value\""))?;
        fields.push(name.trim(), value.trim());
    }
    if let Some(origin) = &command.origin {
        let origin: ServerName = origin
            .parse()
            .map_err(|reason| format!("{origin:?} is not a server name: {reason}"))?;
        fields.push("Authorization", claim(&origin));
    }
    let listener = listener(&url, config);
    let peer = Peer::Tcp(SocketAddr::new(command.from, 0));
    let host = url
        .authority
        .rsplit_once(':')
        .map_or(url.authority, |(host, _)| host);
    let sni = url.is_tls.then(|| host.to_ascii_lowercase().into());
    let facts = ConnectionFacts::assumed(Arc::new(listener), peer, sni);
    let head = RequestHead {
        method,
        target: url.target.to_owned().into(),
        // So that the head is checked here, and not by the gate of HTTP/1.
        protocol: Protocol::Http2,
        fields,
    };
    Ok((head, facts))
}

/// As the server would claim its name, with a signature that nobody made.
fn claim(origin: &ServerName) -> String {
    let signature = "A".repeat(86);
    format!("X-Matrix origin=\"{origin}\",key=\"ed25519:none\",sig=\"{signature}\"")
}

impl<'a> Url<'a> {
    fn parse(text: &'a str, host: &'a str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self {
                is_tls: true,
                authority: host,
                port: Some(443),
                target: text,
            });
        }
        let help = "write https://host/path, or a path alone";
        let (is_tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(format!("{text:?} is not a URL: {help}")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let after_host = authority
            .rsplit_once(']')
            .map_or(authority, |(_, port)| port);
        let port = match after_host.rsplit_once(':') {
            Some((_, port)) => Some(
                port.parse()
                    .map_err(|_| format!("{port:?} is not a port: {help}"))?,
            ),
            None => None,
        };
        Ok(Self {
            is_tls,
            authority,
            port: port.or(Some(if is_tls { 443 } else { 80 })),
            target: if target.is_empty() { "/" } else { target },
        })
    }
}

/// The listener at the URL's port, else one that does what the usual ports do.
fn listener(url: &Url<'_>, config: &Config) -> Listener {
    let at_port = |listener: &&crate::config::Listener| {
        let mut addresses = listener.address.iter();
        addresses.any(|address| address.port() == url.port)
    };
    let found = config.listeners.iter().find(at_port);
    let (name, profile) = match found {
        Some(listener) => {
            let mut addresses = listener.address.iter();
            let address = addresses.find(|address| address.port() == url.port);
            let name = address.map(ToString::to_string);
            (name.unwrap_or_default(), listener.profile)
        }
        None => ("none of ours".to_owned(), Profile::Both),
    };
    Listener {
        name: name.into(),
        profile,
        tls: url.is_tls,
        proxy_protocol: Vec::new(),
    }
}

fn as_json(explanation: &Explanation, facts: &ConnectionFacts) -> Value {
    let mut report = json!({
        "listener": &*facts.listener.name,
        "site": explanation.site.as_deref(),
        "endpoint": explanation.endpoint,
        "class": explanation.class,
        "route": explanation.route,
        "claimed_origin": explanation.claimed_origin,
        "rule": explanation.rule.as_ref().map(|rule| json!({
            "name": &*rule.name,
            "does": rule.does.as_str(),
        })),
    });
    let outcome = match &explanation.outcome {
        Outcome::Forwarded(forwarded) => json!({ "forwarded": forwarded_json(forwarded) }),
        Outcome::Answered { status, location } => {
            json!({ "answered": { "status": status, "location": location } })
        }
        Outcome::File { folder } => json!({ "file": { "folder": folder } }),
        Outcome::Refused(answer) => json!({ "refused": {
            "status": answer.status.as_u16(),
            "errcode": answer.errcode.as_str(),
            "reason": answer.reason,
            "message": answer.message,
        } }),
    };
    if let (Some(report), Value::Object(outcome)) = (report.as_object_mut(), outcome) {
        report.extend(outcome);
    }
    report
}

fn forwarded_json(forwarded: &Forwarded) -> Value {
    let upstreams: Vec<&str> = forwarded.upstreams.iter().map(|name| &**name).collect();
    json!({
        "upstreams": upstreams,
        "target": forwarded.target,
        "max_body_size": forwarded.max_body_size,
        "silence_seconds": forwarded.silence.as_secs_f64(),
        "repeatable": forwarded.is_repeatable,
        "limited": forwarded.limited.as_ref().map(|limited| json!({
            "budget": limited.budget.as_str(),
            "counted_by": limited.budget.counted_by().as_str(),
            "per_sender": limited.limits.per_sender,
            "in_all": limited.limits.in_all,
            "max_wait_seconds": limited.limits.max_wait.as_secs_f64(),
            "past": limited.limits.past.as_str(),
        })),
        "placed": forwarded.placed.as_ref().map(|placed| json!({
            "group": placed.group,
            "answered_by": placed.answered_by,
            "falls_back_to_main": placed.falls_back_to_main,
            "affinity": placed.affinity,
            "key": match placed.key {
                KnownKey::None => "none",
                KnownKey::InRequest => "in_request",
                KnownKey::Asked => "asked",
            },
            "hold_seconds": placed.hold.as_secs_f64(),
            "max_requests": placed.max_requests,
        })),
    })
}

fn as_text(explanation: &Explanation, facts: &ConnectionFacts) -> String {
    let mut lines = vec![
        ("listener", facts.listener.name.to_string()),
        (
            "site",
            explanation.site.as_deref().unwrap_or("none").to_owned(),
        ),
        ("endpoint", explanation.endpoint.to_owned()),
        ("class", explanation.class.to_owned()),
    ];
    lines.extend(explanation.route.clone().map(|route| ("route", route)));
    lines.extend(
        explanation
            .claimed_origin
            .clone()
            .map(|origin| ("origin", format!("{origin} (as it says; not verified)"))),
    );
    lines.extend(explanation.rule.as_ref().map(rule));
    match &explanation.outcome {
        Outcome::Forwarded(forwarded) => lines.extend(forwarded_lines(forwarded)),
        Outcome::Answered { status, location } => {
            let to = location.iter().map(|location| format!(", to {location}"));
            let to: String = to.collect();
            lines.push(("answer", format!("{status} from here{to}")));
        }
        Outcome::File { folder } => lines.push(("answer", format!("a file of {folder}"))),
        Outcome::Refused(answer) => {
            let (status, errcode) = (answer.status.as_u16(), answer.errcode.as_str());
            let (message, reason) = (answer.message, answer.reason);
            lines.push((
                "refused",
                format!("{status} {errcode} ({reason}): {message}"),
            ));
        }
    }
    let line = |(name, value): (&str, String)| format!("{name:<10} {value}\n");
    lines.into_iter().map(line).collect()
}

fn rule(rule: &RuleSaid) -> (&'static str, String) {
    let does = match rule.does {
        RuleDoes::Refuses => "refuses this",
        RuleDoes::WouldRefuse => "would refuse this, and is only tried",
        RuleDoes::AllowsProven => "allows this, if the signature proves the origin",
    };
    ("rule", format!("{} {does}", rule.name))
}

fn forwarded_lines(forwarded: &Forwarded) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(placed) = &forwarded.placed {
        lines.push(("group", group(placed)));
        lines.push(("key", key(placed)));
    }
    lines.extend(forwarded.limited.as_ref().map(|it| ("limits", limits(it))));
    let upstreams = forwarded.upstreams.join(", then ");
    lines.push(("upstream", upstreams));
    if let Some(placed) = &forwarded.placed {
        let most = placed.max_requests;
        lines.push((
            "at once",
            format!("{most} requests of this group at each process"),
        ));
        let hold = placed.hold;
        lines.push((
            "hold",
            format!("waits {hold:?} at most for a process that is away"),
        ));
    }
    let repeated = if forwarded.is_repeatable {
        "sent again where a connection ends without an answer"
    } else {
        "never sent twice"
    };
    lines.push(("repeat", repeated.to_owned()));
    lines.push(("silence", format!("{:?} at most", forwarded.silence)));
    lines.push(("body", format!("{} bytes at most", forwarded.max_body_size)));
    lines.push(("target", forwarded.target.clone()));
    lines
}

fn limits(limited: &Limited) -> String {
    let (name, by) = (limited.budget, limited.budget.counted_by().as_str());
    let limits = &limited.limits;
    let (each, all, wait) = (limits.per_sender, limits.in_all, limits.max_wait);
    let past = limits.past.as_str();
    format!("{name}: {each} at once by {by}, {all} in all; waits {wait:?} at most, then {past}")
}

fn group(placed: &Placed) -> String {
    let stand_in = if placed.answered_by == placed.group {
        String::new()
    } else {
        format!(", which {} answers", placed.answered_by)
    };
    let fallback = match (placed.answered_by, placed.falls_back_to_main) {
        ("main", _) => "",
        (_, true) => "; the main process while they are away",
        (_, false) => "; the main process cannot answer for them",
    };
    format!("{}{stand_in}{fallback}", placed.group)
}

fn key(placed: &Placed) -> String {
    match placed.key {
        KnownKey::None => "none needed".to_owned(),
        KnownKey::InRequest => format!("by {}", placed.affinity),
        KnownKey::Asked => "by user, whom the homeserver tells; by token here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ran;
    use super::*;

    const WORKERS: &str = r#"
server_name = "example.com"
homeserver = "http://127.0.0.1:8008"
mas = "http://127.0.0.1:8080"
tls = "internal"

[[workers]]
name = "generic1"
upstream = "http://127.0.0.1:8081"
groups = ["generic_worker"]

[[workers]]
name = "generic2"
upstream = "http://127.0.0.1:8082"
groups = ["generic_worker"]

[[workers]]
name = "pods"
upstream = "http://synapse-sync.matrix.svc:8081"
groups = ["synchrotron"]
discover = "addresses"

[[workers]]
name = "writer"
upstream = "unix:/run/writer.sock"
groups = ["typing"]
"#;

    /// What is said of a request, as text and as JSON.
    fn explained(arguments: &[&str]) -> (String, Value) {
        explained_by(WORKERS, arguments)
    }

    fn explained_by(config: &str, arguments: &[&str]) -> (String, Value) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("deny.txt"), "*.listed.example").unwrap();
        let path = folder.path().join("vestibule.toml");
        std::fs::write(&path, config).unwrap();
        let path = path.display().to_string();
        let arguments = [&["explain", "--config", &path], arguments].concat();
        let (exit, text, err) = ran(&arguments);
        assert_eq!((exit, &*err), (Exit::Done, ""));
        let (_, json, _) = ran(&[&arguments[..], &["--json"]].concat());
        (text, serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn a_request_of_a_room_names_its_worker() {
        let rooms = "https://example.com/_matrix/client/v3/rooms";
        let (text, json) = explained(&["GET", &format!("{rooms}/!r:x/members")]);
        insta::assert_snapshot!(text, @r"
        listener   *:443
        site       example.com
        endpoint   /_matrix/client/{version}/rooms/{roomId}/members
        class      event_read
        group      client_reader, which generic_worker answers; the main process while they are away
        key        by room
        limits     interactive: 200 at once by user, 10000 in all; waits 30s at most, then 429
        upstream   generic2, then generic1
        at once    2000 requests of this group at each process
        hold       waits 30s at most for a process that is away
        repeat     sent again where a connection ends without an answer
        silence    300s at most
        body       13107200 bytes at most
        target     /_matrix/client/v3/rooms/!r:x/members
        ");
        let (_, same) = explained(&["GET", &format!("{rooms}/%21r%3Ax/members")]);
        let upstreams = &json["forwarded"]["upstreams"];
        assert_eq!(upstreams, &same["forwarded"]["upstreams"]);
        assert_eq!(upstreams.as_array().unwrap().len(), 2);
        assert_eq!(json["forwarded"]["placed"]["key"], "in_request");
    }

    #[test]
    fn a_stream_has_its_writer_and_no_other() {
        let (_, json) = explained(&["PUT", "/_matrix/client/v3/rooms/!r:x/typing/@a:x"]);
        let forwarded = &json["forwarded"];
        assert_eq!(forwarded["upstreams"], json!(["writer"]));
        assert_eq!(forwarded["placed"]["falls_back_to_main"], false);
    }

    #[test]
    fn who_is_still_to_be_found_is_named_too() {
        let (_, json) = explained(&["GET", "/_matrix/client/v3/sync?since=s1"]);
        let upstreams = &json["forwarded"]["upstreams"];
        assert_eq!(upstreams, &json!(["pods (as DNS names it)"]));
    }

    #[test]
    fn what_is_answered_or_refused_here_says_so() {
        for (url, path, expected) in [
            (
                "https://example.com/.well-known/matrix/client",
                "/answered/status",
                json!(200),
            ),
            (
                "http://example.com/",
                "/answered/location",
                json!("https://example.com/"),
            ),
            (
                "https://example.com/_synapse/admin/v1/users",
                "/refused/status",
                json!(404),
            ),
            (
                "https://other.example/",
                "/refused/reason",
                json!("unknown_host"),
            ),
            (
                "https://example.com/_matrix/client/v3/login",
                "/forwarded/upstreams/0",
                json!("http://127.0.0.1:8080"),
            ),
            (
                "https://example.com/_matrix/client/v3/login/get_token",
                "/forwarded/upstreams/0",
                json!("http://127.0.0.1:8008"),
            ),
        ] {
            let (_, json) = explained(&["GET", url]);
            assert_eq!(json.pointer(path), Some(&expected), "{url}: {json:#}");
        }
    }

    #[test]
    fn the_rule_for_an_origin_is_named() {
        let rules = format!(
            "{WORKERS}
[federation]
signatures = \"enforce\"
strangers = \"deny\"
[[federation.rules]]
name = \"tried\"
action = \"deny\"
origins = [\"tried.example\"]
dry_run = true
[[federation.rules]]
name = \"listed\"
action = \"deny\"
lists = [\"file\"]
listeners = [\"*:8448\"]
[[federation.rules]]
name = \"partners\"
action = \"allow\"
origins = [\"*.example\"]
[[federation.lists]]
name = \"file\"
file = \"deny.txt\"
"
        );
        let url = "https://example.com:8448/_matrix/federation/v1/event/e";
        for (origin, name, does) in [
            ("a.listed.example", "listed", "refuses"),
            ("nice.example", "partners", "allows_proven"),
            ("tried.example", "tried", "would_refuse"),
            ("other.test", "strangers", "refuses"),
        ] {
            let (text, json) = explained_by(&rules, &["GET", url, "--origin", origin]);
            assert_eq!(
                json["rule"],
                json!({ "name": name, "does": does }),
                "{origin}"
            );
            assert!(text.contains(&format!("rule       {name} ")), "{text}");
        }
        let elsewhere = url.replace(":8448", "");
        let (_, json) = explained_by(&rules, &["GET", &elsewhere, "--origin", "a.listed.example"]);
        assert_eq!(json["rule"]["name"], "partners");
        let (_, json) = explained_by(&rules, &["GET", "/_matrix/key/v2/server"]);
        assert_eq!(json["rule"], Value::Null);
    }

    #[test]
    fn a_token_is_asked_for_and_never_shown() {
        let header = "Authorization: Bearer mat_secret";
        let (text, json) =
            explained(&["POST", "/_matrix/client/v3/createRoom", "--header", header]);
        assert_eq!(json["forwarded"]["placed"]["key"], "asked");
        assert!(!text.contains("secret") && !json.to_string().contains("secret"));
    }

    #[test]
    fn what_is_no_request_is_bad_usage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vestibule.toml");
        std::fs::write(&path, WORKERS).unwrap();
        let path = path.display().to_string();
        for (arguments, expected) in [
            (["G T", "/", "--header", "a:b"], "is not a method"),
            (["GET", "ftp://x/", "--header", "a:b"], "is not a URL"),
            (["GET", "https://x:y/", "--header", "a:b"], "is not a port"),
            (["GET", "/", "--header", "a"], "is not a header field"),
        ] {
            let arguments = [&["explain", "--config", &path][..], &arguments].concat();
            let (exit, _, err) = ran(&arguments);
            assert_eq!(exit, Exit::Usage);
            assert!(err.contains(expected), "{err}");
        }
    }
}
