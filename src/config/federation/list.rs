//! Lists of servers that rules name: files, web pages, and rooms with policy rules.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::diagnostic::Diagnostic;
use crate::config::section::Section;
use crate::config::span::Spanned;
use crate::config::value::{Age, HttpUrl, Room, RuleName, Timeout};
use crate::config::well_known::Ed25519Key;
use crate::matrix::{ServerName, server_list};

const SOURCES: [&str; 3] = ["file", "url", "room"];
/// More often a web server or a homeserver is not asked.
const LEAST_REFRESH: Duration = Duration::from_secs(1);

/// Names of servers that are kept elsewhere: in a file, on a web server, or in a room. What a list
/// held last is kept where it cannot be read, and survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(transform = crate::config::schema::exactly_one_variant)]
pub struct OriginList {
    /// What rules, metrics and logs call it.
    #[schemars(example = &"coc")]
    pub name: Spanned<RuleName>,
    /// How often it is looked at. Default: 2s for a file, 5m for a room, 1h for a web server.
    pub refresh: Timeout,
    /// How old what is known of it may become while it cannot be read. From then on `when_stale`
    /// holds.
    pub max_age: Age,
    /// What it names once it is too old.
    pub when_stale: WhenStale,
    /// Where it is.
    #[serde(flatten)]
    pub source: ListSource,
}

/// What a list names once it is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenStale {
    /// What it named last.
    Keep,
    /// Nobody, so that a rule that allows by it allows nobody any more. Not for rules that deny,
    /// which would let everybody in.
    Closed,
}

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ListSource {
    /// In a file.
    File {
        /// A file: one name in a line, comments from `#` on, or a JSON array of names; at most
        /// 200000, each as in `origins`, but not `"*"`. A change is taken up by itself; a file
        /// with a mistake is not, and what it held before stays.
        #[schemars(title = "path", example = "/etc/vestibule/deny.txt")]
        file: Spanned<PathBuf>,
    },
    /// On a web server.
    Url {
        /// An `https://` address that has such a file, 8 MiB at most. It is asked for again with
        /// its `ETag`.
        #[schemars(example = "https://lists.example.org/deny.txt")]
        url: Spanned<HttpUrl>,
        /// A PEM file with the authorities that vouch for that address, instead of the system's.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(title = "path", example = "/etc/vestibule/lists-ca.pem")]
        ca: Option<Spanned<PathBuf>>,
        /// The Ed25519 key that signs the list: what has no signature by it is not taken. Default:
        /// no signature is asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(example = "6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s")]
        public_key: Option<Ed25519Key>,
        /// Where the signature of the bytes of the list is: 64 bytes, or base64 of them. Default:
        /// `url` with `.sig` behind it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(example = "https://lists.example.org/deny.txt.sig")]
        signature_url: Option<HttpUrl>,
    },
    /// In a Matrix room.
    Room {
        /// A policy room, by its id or an alias: servers that are banned there by
        /// `m.policy.rule.server`. It is read through the homeserver, by an account that is in the
        /// room.
        #[schemars(example = "#bans:example.org")]
        room: Spanned<Room>,
        /// A file with an access token of that account. It needs no rights but to read the room.
        #[schemars(title = "path", example = "/etc/vestibule/policy-room.token")]
        access_token_file: Spanned<PathBuf>,
        /// The site whose homeserver is asked, by its server name. Default: the only one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(example = "example.com")]
        site: Option<Spanned<ServerName>>,
    },
}

impl OriginList {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let place = Some(section.span());
        let report = section.report();
        let name = section.required("name", "name = \"coc\"");
        let written = SOURCES.into_iter().filter(|key| section.has(key));
        let written: Vec<&str> = written.collect();
        refuse_without_effect(&mut section, &written);
        let usual = match written.as_slice() {
            ["file"] => Timeout::seconds(2),
            ["room"] => Timeout::seconds(300),
            _ => Timeout::seconds(3600),
        };
        let refresh: Spanned<Timeout> = section.or("refresh", usual.into());
        let max_age = section.or("max_age", Age::seconds(7 * 86_400));
        let when_stale = section.or("when_stale", WhenStale::Keep);
        let before = report.len();
        let mut source = ListSource::read(&mut section);
        section.finish();
        if written.len() > 1 || (written.is_empty() && report.len() == before) {
            let message = match written.as_slice() {
                [] => "this list is nowhere".to_owned(),
                many => format!("this list is in {} places: {}", many.len(), many.join(", ")),
            };
            let problem = Diagnostic::new(message, place);
            report.add(problem.help("write exactly one of file, url, room"));
            source = None;
        }
        if refresh.duration() < LEAST_REFRESH {
            let problem = Diagnostic::new("this is too often", refresh.span());
            report.add(problem.help("write at least \"1s\""));
        }
        Some(Self {
            name: name?,
            refresh: refresh.into_inner(),
            max_age,
            when_stale,
            source: source?,
        })
    }
}

impl ListSource {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let report = section.report();
        let file = section.path("file");
        let url: Option<Spanned<HttpUrl>> = section.optional("url");
        let ca = section.path("ca");
        let public_key: Option<Ed25519Key> = section.optional("public_key");
        let signature_url: Option<Spanned<HttpUrl>> = section.optional("signature_url");
        let room = section.optional("room");
        let access_token_file = section.path("access_token_file");
        let site = section.optional("site");
        for file in [&ca, &access_token_file].into_iter().flatten() {
            report.must_be_file(file);
        }
        if let Some(file) = file {
            let before = report.len();
            report.must_be_file(&file);
            if report.surroundings.check_files && report.len() == before {
                check_list(&file, section);
            }
            return Some(Self::File { file });
        }
        for url in [&url, &signature_url].into_iter().flatten() {
            if !url.is_https() {
                let problem = Diagnostic::new(format!("\"{url}\" is not https"), url.span());
                report.add(problem.help("who could change a list on its way could let anybody in"));
            }
        }
        if let (Some(signature_url), None) = (&signature_url, &public_key) {
            let message = "`signature_url` means nothing without `public_key`";
            let problem = Diagnostic::new(message, signature_url.span());
            report.add(problem.help("write the key, or leave `signature_url` out"));
        }
        if let Some(url) = url {
            return Some(Self::Url {
                url,
                ca,
                public_key,
                signature_url: signature_url.map(Spanned::into_inner),
            });
        }
        let room = room?;
        if access_token_file.is_none() {
            let help = "access_token_file = \"/etc/vestibule/policy-room.token\"";
            section.missing_key("access_token_file", help);
        }
        Some(Self::Room {
            room,
            access_token_file: access_token_file?,
            site,
        })
    }

    /// The key that says where the list is.
    pub fn key(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Url { .. } => "url",
            Self::Room { .. } => "room",
        }
    }
}

/// What is in a file can be told to be good or bad now.
fn check_list(file: &Spanned<PathBuf>, section: &Section<'_>) {
    let read = fs::read(&**file).map_err(|reason| reason.to_string());
    let parsed = read.and_then(|text| server_list::parse(&text).map_err(|e| e.to_string()));
    if let Err(reason) = parsed {
        let message = format!("\"{}\" is no list of servers: {reason}", file.display());
        let help = "write one name in a line, such as evil.example or *.spam.example";
        let problem = Diagnostic::new(message, file.span()).help(help);
        section.report().add(problem);
    }
}

/// Keys that belong to another source than the one that was written.
fn refuse_without_effect(section: &mut Section<'_>, written: &[&str]) {
    let [source] = written else { return };
    let pairs = [
        ("ca", "url"),
        ("public_key", "url"),
        ("signature_url", "url"),
        ("access_token_file", "room"),
        ("site", "room"),
    ];
    for (key, owner) in pairs {
        if owner != *source {
            let message = format!("`{key}` has no effect on a list with `{source}`");
            let help = format!("it belongs to a list with `{owner}`");
            section.refuse(key, &message, &help);
        }
    }
}
