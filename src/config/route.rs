//! More than Matrix on the same hosts.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::json::JsonMap;
use super::section::Section;
use super::span::{Span, Spanned};
use super::upstream::Upstream;
use super::value::{ByteSize, Host, HttpUrl, Network, RoutePath, Timeout};

const ACTIONS: [&str; 4] = ["upstream", "redirect", "folder", "homeserver"];

/// One path prefix and what happens there: exactly one of `upstream`,
/// `redirect`, `folder` and `homeserver`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(transform = super::schema::exactly_one_variant)]
pub struct Route {
    /// The path prefix: whole segments as they stand in the URL, no `%`.
    #[schemars(example = "/livekit/sfu")]
    pub path: Spanned<RoutePath>,
    /// Only on these hosts, which thereby belong to the site. Default: on all
    /// hosts of the site.
    #[schemars(example = ["rtc.example.com"])]
    pub hosts: Vec<Spanned<Host>>,
    /// Only for clients from these networks; others get 404. Default: everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["127.0.0.0/8", "::1/128"])]
    pub networks: Option<Vec<Network>>,
    /// The largest request body (`upstream` and `homeserver`).
    pub max_body_size: ByteSize,
    /// How long the upstream may be silent (`upstream` and `homeserver`); a
    /// WebSocket ends when neither side has sent anything for as long. Default:
    /// 5m, and 11m with `homeserver`, whose admin API has slow parts.
    pub read_timeout: Timeout,
    /// What happens there.
    #[serde(flatten)]
    pub action: Action,
}

/// What a route does with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Action {
    /// Another program answers.
    Upstream {
        /// Requests go to this program: an address, or a table as for
        /// `homeserver` of the site.
        #[schemars(example = "http://127.0.0.1:7880")]
        upstream: Upstream,
        /// Whether the upstream sees the path without the prefix.
        strip_prefix: bool,
        /// Whether `Upgrade: websocket` is passed on.
        websocket: bool,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// Requests are answered by 301 to this URL, which does not change with
        /// the request. Not below `/_matrix`: Matrix clients and servers do not
        /// follow.
        #[schemars(example = "https://www.example.com/")]
        redirect: HttpUrl,
    },
    /// Files are served.
    Folder {
        /// Requests are answered with the files of this folder, such as Element
        /// Web's.
        #[schemars(title = "path", example = "/usr/share/element-web")]
        folder: Spanned<PathBuf>,
        /// Element Web's `config.json` is generated for the site, and these keys
        /// are merged over it. Default: the folder's own file is served.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(example = serde_json::json!({ "brand": "Example" }))]
        config_json: Option<JsonMap>,
    },
    /// The homeserver of the site answers.
    Homeserver {
        /// `true` opens a path of the homeserver that is hidden otherwise, such
        /// as `/_synapse/admin`, to `networks`, which must be written then.
        #[schemars(example = true)]
        homeserver: bool,
    },
}

impl Route {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let place = Some(section.span());
        let path: Option<Spanned<RoutePath>> =
            section.required("path", "path = \"/a/path/prefix\"");
        let hosts = section.list("hosts").unwrap_or_default();
        let networks: Option<Spanned<Vec<Network>>> = networks(&mut section);
        let written = ACTIONS.into_iter().filter(|key| section.has(key));
        let written: Vec<&str> = written.collect();
        refuse_without_effect(&mut section, &written);
        let max_body_size = section.or("max_body_size", ByteSize::kibibytes(50 << 10));
        let silence = if section.has("homeserver") { 660 } else { 300 };
        let read_timeout = section.or("read_timeout", Timeout::seconds(silence));
        let report = section.report();
        let before = report.len();
        let mut action = Action::read(&mut section);
        section.finish();
        if written.len() > 1 || (action.is_none() && report.len() == before) {
            let message = match written.as_slice() {
                [] | [_] => "this route does nothing".to_owned(),
                many => format!("this route has {} actions: {}", many.len(), many.join(", ")),
            };
            let help = "write exactly one of upstream, redirect, folder, homeserver = true";
            report.add(Diagnostic::new(message, place).help(help));
            action = None;
        }
        if let (Some(path), Some(action)) = (&path, &action) {
            for problem in forbidden(path, action, networks.is_some(), place) {
                report.add(problem);
            }
        }
        Some(Self {
            path: path?,
            hosts,
            networks: networks.map(Spanned::into_inner),
            max_body_size,
            read_timeout,
            action: action?,
        })
    }
}

impl Action {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let upstream = section.take("upstream");
        let upstream = upstream.and_then(|value| Upstream::read(section, value, "upstream"));
        let strip_prefix = section.or("strip_prefix", false);
        let websocket = section.or("websocket", true);
        let redirect = section.optional("redirect");
        let folder = section.path("folder");
        let config_json = section.json_object("config_json");
        let homeserver = section.or("homeserver", false);
        if let Some(folder) = &folder {
            section.report().must_be_folder(folder);
        }
        if let Some(upstream) = upstream {
            return Some(Self::Upstream {
                upstream,
                strip_prefix,
                websocket,
            });
        }
        let redirect = redirect.map(|redirect| Self::Redirect { redirect });
        let folder = folder.map(|folder| Self::Folder {
            folder,
            config_json,
        });
        let homeserver = homeserver.then_some(Self::Homeserver { homeserver });
        redirect.or(folder).or(homeserver)
    }
}

/// The networks; an empty list is refused, because it reads as "nobody" and as
/// "no restriction" alike.
fn networks(section: &mut Section<'_>) -> Option<Spanned<Vec<Network>>> {
    let value = section.place("networks");
    let networks: Vec<Network> = section.list("networks")?;
    if networks.is_empty() && value.is_some_and(|(_, length)| length == 0) {
        let span = value.map(|(span, _)| span);
        let problem = Diagnostic::new("`networks` is empty: nobody could use this route", span);
        let help = "name the networks, or leave the key out to open the route to everyone";
        section.report().add(problem.help(help));
    }
    Some(Spanned::new(networks, value.map(|(span, _)| span)))
}

/// Keys that belong to another action than the one that was written.
fn refuse_without_effect(section: &mut Section<'_>, written: &[&str]) {
    let [action] = written else { return };
    let pairs = [
        ("strip_prefix", "upstream"),
        ("websocket", "upstream"),
        ("config_json", "folder"),
    ];
    for (key, owner) in pairs {
        if owner != *action {
            let message = format!("`{key}` has no effect on a route with `{action}`");
            section.refuse(
                key,
                &message,
                &format!("it belongs to a route with `{owner}`"),
            );
        }
    }
}

fn forbidden(
    path: &Spanned<RoutePath>,
    action: &Action,
    has_networks: bool,
    place: Option<Span>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if path.is_below("/_matrix")
        && matches!(action, Action::Redirect { .. } | Action::Folder { .. })
    {
        let message = format!("\"{path}\" belongs to /_matrix, which only programs answer");
        let help = "Matrix clients and servers do not follow redirects there: use `upstream`";
        problems.push(Diagnostic::new(message, path.span()).help(help));
    }
    if path.is_below("/.well-known/matrix") {
        let message = format!("\"{path}\" is answered by [well_known]");
        let help = "set the documents there, or well_known.serve = \"homeserver\" to pass them on";
        problems.push(Diagnostic::new(message, path.span()).help(help));
    }
    if matches!(action, Action::Homeserver { .. }) && !has_networks {
        let problem = Diagnostic::new("`homeserver = true` without `networks`", place);
        let help = "say who may use it, such as networks = [\"127.0.0.0/8\", \"::1/128\"]";
        problems.push(problem.help(help));
    }
    problems
}
