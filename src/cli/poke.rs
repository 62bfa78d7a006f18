//! `vestibule poke`: after an outage, lets the homeserver try again where it had given up.
//!
//! A homeserver that hears from another one stops backing off from it, so every server that ours
//! contacts sends again at once what it had kept back.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{CONFIGURATION, Exit, Terminal, load_compiled};
use crate::admin::Token;
use crate::matrix::ServerName;
use crate::message::{Fields, Protocol, RequestHead};
use crate::snapshot::Snapshot;
use crate::upstream::{Inquiry, Pool, Upstream};

/// Synapse's admin API for the servers that it sends to.
const DESTINATIONS: &str = "/_synapse/admin/v1/federation/destinations";
/// Servers that are asked for at a time.
const PAGE: u32 = 100;
/// More pages than these are not asked for.
const MOST_PAGES: u32 = 1_000;
/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;
/// How long Synapse may take for one answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// What of a server name may stand in a path as it is.
const NOT_IN_A_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// What to poke, and by which right.
#[derive(Debug, Args)]
pub struct Command {
    /// A file with the access token of an administrator of the homeserver
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Only this site; all of them without it
    #[arg(long, value_name = "SERVER_NAME")]
    site: Option<String>,
    /// Say who would be contacted, and contact nobody
    #[arg(long)]
    dry_run: bool,
    /// The configuration file
    #[arg(short, long = "config", value_name = "FILE", default_value = CONFIGURATION)]
    file: PathBuf,
}

#[derive(Deserialize)]
struct Page {
    destinations: Vec<Destination>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Destination {
    destination: String,
    /// Since when it fails; none where it does not.
    failure_ts: Option<u64>,
}

/// Contacts the servers that the homeserver backs off from.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses a runtime.
pub fn run(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some((_, snapshot)) = load_compiled(&command.file, terminal)? else {
        return Ok(Exit::Usage);
    };
    let token = match Token::read(&command.token_file) {
        Ok(token) => token,
        Err(reason) => {
            let path = command.token_file.display();
            writeln!(terminal.err, "error: no token in {path}: {reason}")?;
            return Ok(Exit::Usage);
        }
    };
    let is_wanted = |name: &str| command.site.as_deref().is_none_or(|wanted| wanted == name);
    let sites: Vec<_> = snapshot
        .sites
        .iter()
        .filter(|s| is_wanted(&s.name))
        .collect();
    if sites.is_empty() {
        let names: Vec<&str> = snapshot.sites.iter().map(|site| &*site.name).collect();
        writeln!(
            terminal.err,
            "error: no such site; there are: {}",
            names.join(", ")
        )?;
        return Ok(Exit::Usage);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut exit = Exit::Done;
    for site in sites {
        let Some(homeserver) = snapshot.homeserver(site.homeserver) else {
            continue;
        };
        let api = Api {
            snapshot: &snapshot,
            upstream: homeserver.main(),
            host: &site.server_host,
            token: &token,
        };
        if let Err(problem) = runtime.block_on(poke(&api, command.dry_run, terminal))? {
            writeln!(terminal.err, "error: {}: {problem}", site.name)?;
            exit = Exit::Failed;
        }
    }
    runtime.shutdown_background();
    Ok(exit)
}

/// The admin API of one homeserver.
struct Api<'a> {
    snapshot: &'a Snapshot,
    upstream: &'a Upstream,
    host: &'a str,
    token: &'a Token,
}

/// The outer error is the terminal's, the inner one the homeserver's.
async fn poke(
    api: &Api<'_>,
    is_dry: bool,
    terminal: &mut Terminal<'_>,
) -> io::Result<Result<(), String>> {
    let pool = Pool::new();
    let failing = match failing(api, &pool).await {
        Ok(failing) => failing,
        Err(problem) => return Ok(Err(problem)),
    };
    writeln!(
        terminal.out,
        "{}: {} servers are backed off from",
        api.host,
        failing.len()
    )?;
    for name in failing {
        if is_dry {
            writeln!(terminal.out, "  {name}")?;
            continue;
        }
        let segment = utf8_percent_encode(name.as_str(), NOT_IN_A_SEGMENT);
        let target = format!("{DESTINATIONS}/{segment}/reset_connection");
        match api.ask(&pool, Method::POST, target).await {
            Ok(_) => writeln!(terminal.out, "  {name}: is contacted again")?,
            Err(problem) => writeln!(terminal.out, "  {name}: {problem}")?,
        }
    }
    Ok(Ok(()))
}

/// The servers that the homeserver backs off from.
async fn failing(api: &Api<'_>, pool: &Pool) -> Result<Vec<ServerName>, String> {
    let mut failing = Vec::new();
    let mut from = "0".to_owned();
    for _ in 0..MOST_PAGES {
        let segment = utf8_percent_encode(&from, NOT_IN_A_SEGMENT);
        let target = format!("{DESTINATIONS}?from={segment}&limit={PAGE}");
        let body = api.ask(pool, Method::GET, target).await?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|_| "the homeserver's answer is not the admin API's".to_owned())?;
        let backed_off = page
            .destinations
            .into_iter()
            .filter(|d| d.failure_ts.is_some());
        // Names come from other servers: what is none is neither printed nor asked for.
        let names = backed_off.filter_map(|d| d.destination.parse::<ServerName>().ok());
        failing.extend(names);
        match page.next_token {
            Some(next) => from = next,
            None => break,
        }
    }
    Ok(failing)
}

impl Api<'_> {
    async fn ask(&self, pool: &Pool, method: Method, target: String) -> Result<Bytes, String> {
        let mut fields = Fields::default();
        fields.push("Host", self.host);
        fields.push("Authorization", self.token.as_bearer());
        fields.push("X-Forwarded-For", "127.0.0.1");
        fields.push("X-Forwarded-Proto", "https");
        if method == Method::POST {
            fields.push("Content-Length", "0");
        }
        let head = RequestHead {
            method,
            target: target.into(),
            protocol: Protocol::Http11,
            fields,
        };
        let deadlines = &self.snapshot.deadlines;
        let inquiry = Inquiry {
            head: &head,
            body: Bytes::new(),
            most: LARGEST_ANSWER,
            within: PATIENCE,
        };
        match pool.ask(self.upstream, deadlines, &inquiry).await {
            Ok((answer, body)) if answer.status.is_success() => Ok(body),
            Ok((answer, _)) => Err(match answer.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    "the homeserver does not take the token: it must be an administrator's".into()
                }
                status => format!("the homeserver answered {}", status.as_u16()),
            }),
            Err(reason) => Err(reason.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::super::tests::ran;
    use super::*;

    /// A Synapse with two pages of destinations, which keeps what it was asked.
    fn synapse(listener: &TcpListener) -> Vec<String> {
        let mut asked = Vec::new();
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = head(&mut reader) {
            let is_known = request.contains("Authorization: Bearer sesame\r\n");
            let (status, body) = match request.split(' ').nth(1).unwrap() {
                _ if !is_known => ("401 Unauthorized", "{}"),
                "/_synapse/admin/v1/federation/destinations?from=0&limit=100" => (
                    "200 OK",
                    r#"{"destinations": [{"destination": "a.test", "failure_ts": null},
                        {"destination": "[::1]:8448", "failure_ts": 5}], "next_token": "100"}"#,
                ),
                "/_synapse/admin/v1/federation/destinations?from=100&limit=100" => (
                    "200 OK",
                    r#"{"destinations": [{"destination": "b.test", "failure_ts": 7},
                        {"destination": "no\u001bname", "failure_ts": 7}], "total": 4}"#,
                ),
                _ => ("200 OK", "{}"),
            };
            asked.push(request.lines().next().unwrap().to_owned());
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    }

    /// The head of the next request; none where the client has gone.
    fn head(reader: &mut impl BufRead) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap() == 0 {
                return None;
            }
        }
        Some(head)
    }

    /// What a run prints, how it ends, and what Synapse was asked.
    fn poked(token: &str, more: &[&str]) -> (Exit, String, String, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!("server_name = \"x.test\"\nhomeserver = \"http://{address}\"\n");
        std::fs::write(path("vestibule.toml"), config).unwrap();
        std::fs::write(path("token"), token).unwrap();
        let served = thread::spawn(move || synapse(&listener));
        let (config, token) = (path("vestibule.toml"), path("token"));
        let arguments = ["poke", "--config", &config, "--token-file", &token];
        let (exit, out, err) = ran(&[&arguments, more].concat());
        (exit, out, err, served.join().unwrap())
    }

    #[test]
    fn every_server_that_fails_is_contacted_and_no_other() {
        let (exit, out, err, asked) = poked("sesame\n", &[]);
        assert_eq!((exit, &*err), (Exit::Done, ""));
        assert!(out.contains("2 servers are backed off from"), "{out}");
        let posts: Vec<&String> = asked
            .iter()
            .filter(|line| line.starts_with("POST"))
            .collect();
        let post = |name: &str| format!("POST {DESTINATIONS}/{name}/reset_connection HTTP/1.1");
        assert_eq!(posts, [&post("%5B%3A%3A1%5D%3A8448"), &post("b.test")]);
    }

    #[test]
    fn a_dry_run_contacts_nobody() {
        let (exit, out, _, asked) = poked("sesame", &["--dry-run"]);
        assert_eq!(exit, Exit::Done);
        assert!(
            out.contains("  b.test\n") && !out.contains("a.test"),
            "{out}"
        );
        assert!(
            asked.iter().all(|line| line.starts_with("GET")),
            "{asked:?}"
        );
    }

    #[test]
    fn a_wrong_token_is_told_and_never_shown() {
        let (exit, out, err, _) = poked("open", &[]);
        assert_eq!((exit, &*out), (Exit::Failed, ""));
        assert!(
            err.contains("must be an administrator's") && !err.contains("open"),
            "{err}"
        );
    }
}
