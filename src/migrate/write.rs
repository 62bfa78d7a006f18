//! The configuration as text.

use std::fmt::{Display, Write as _};

use super::Origin;
use super::directive::one_line;
use super::front::AccessLog;
use super::plan::Plan;
use super::routes::{Does, Route};
use crate::config::{ByteSize, Config};

/// The text, and the parts that would be no configuration, by their first line.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) refused: Vec<String>,
}

/// Writes it, part by part.
///
/// Values come from files that say anything, so a part that `config check` would
/// refuse is left out, and said.
pub(super) fn text<'n>(
    plan: &Plan,
    origin: Origin,
    files: impl Iterator<Item = &'n str>,
) -> Written {
    let files: Vec<String> = files.map(one_line).collect();
    let mut written = Written {
        text: format!(
            "# Written by `vestibule import {}` from {}.\n",
            origin.as_str(),
            files.join(", ")
        ),
        refused: Vec::new(),
    };
    top_level(plan, &mut written);
    for part in tables(plan) {
        written.part(&part);
    }
    written
}

impl Written {
    fn part(&mut self, part: &Lines) {
        const ELSE: &str =
            "server_name = \"example.com\"\nhomeserver = \"http://127.0.0.1:8008\"\n";
        if Config::parse("", &format!("{ELSE}{}", part.0)).is_ok() {
            self.text.push_str(&part.0);
        } else {
            let line = part.0.lines().find(|line| !line.is_empty());
            self.refused.push(one_line(line.unwrap_or_default()));
        }
    }

    fn key(&mut self, write: impl FnOnce(&mut Lines)) {
        let mut part = Lines::default();
        write(&mut part);
        self.part(&part);
    }
}

fn top_level(plan: &Plan, written: &mut Written) {
    let mut names = Lines::default();
    names.text("server_name", plan.server_name.as_str());
    names.text("homeserver", &plan.homeserver);
    written.text.push_str(&names.0);
    if let Some(mas) = &plan.mas {
        written.key(|lines| lines.text("mas", mas));
    }
    written.key(|lines| lines.list("hosts", &plan.hosts));
    if let Some(delegate) = &plan.well_known.delegate {
        let is_asked = plan.server_name.port().is_none() && plan.server_name.ip().is_none();
        if is_asked {
            written.key(|lines| lines.text("delegate", delegate.as_str()));
        }
    }
    if let Some(bytes) = plan.max_upload_size {
        written.key(|lines| lines.text("max_upload_size", &size(bytes)));
    }
    written.key(|lines| lines.list("trusted_proxies", &plan.trusted_proxies));
    if let Some(seconds) = plan.hsts.filter(|seconds| *seconds > 0) {
        let days = seconds / 86_400;
        let is_whole = days.checked_mul(86_400) == Some(seconds);
        let age = if is_whole {
            format!("{days}d")
        } else {
            format!("{seconds}s")
        };
        written.key(|lines| lines.text("hsts", &age));
    }
}

/// Each table with its heading.
fn tables(plan: &Plan) -> Vec<Lines> {
    let mut parts = vec![tls(plan)];
    parts.extend(well_known(plan));
    for listener in &plan.listeners {
        let mut lines = Lines::under("[[listeners]]");
        lines.text("address", &listener.address);
        lines.line(format_args!("tls = {}", listener.tls));
        lines.text("profile", listener.profile);
        lines.list("proxy_protocol", &listener.proxy_protocol);
        parts.push(lines);
    }
    for worker in &plan.workers {
        let mut lines = Lines::under("[[workers]]");
        lines.text("name", &worker.name);
        lines.text("upstream", &worker.address);
        lines.list("groups", &worker.groups);
        parts.push(lines);
    }
    parts.extend(plan.routes.iter().map(route));
    if let Some(log) = &plan.access_log {
        let mut lines = Lines::under("[access_log]");
        match log {
            AccessLog::File(path) => lines.text("path", path),
            AccessLog::Nowhere => lines.text("format", "off"),
        }
        parts.push(lines);
    }
    parts
}

fn tls(plan: &Plan) -> Lines {
    let mut lines = Lines::default();
    if !plan.certificates.is_empty() && plan.has_tls {
        lines = Lines::under("[tls]");
        lines.text("source", "files");
        lines.line(format_args!("certificates = ["));
        for one in &plan.certificates {
            lines.line(format_args!(
                "    {{ certificate = {}, key = {} }},",
                quoted(&one.certificate),
                quoted(&one.key)
            ));
        }
        lines.line(format_args!("]"));
    }
    lines
}

fn well_known(plan: &Plan) -> Vec<Lines> {
    let known = &plan.well_known;
    if known.is_from_homeserver {
        let mut lines = Lines::under("[well_known]");
        lines.text("serve", "homeserver");
        return vec![lines];
    }
    let parts = [
        ("server", &known.server),
        ("client", &known.client),
        ("support", &known.support),
    ];
    let parts = parts.into_iter().filter(|(_, part)| !part.is_empty());
    let write = |(name, part): (&str, &toml::Table)| {
        let of = |name: &str, value: toml::Value| {
            let mut table = toml::Table::new();
            table.insert(name.to_owned(), value);
            table
        };
        let whole = of("well_known", of(name, part.clone().into()).into());
        Lines(format!("\n{whole}"))
    };
    parts.map(write).collect()
}

fn route(route: &Route) -> Lines {
    let mut lines = Lines::under("[[routes]]");
    lines.text("path", &route.path);
    lines.list("hosts", &route.hosts);
    match &route.action {
        Does::Upstream {
            address,
            strip_prefix,
        } => {
            lines.text("upstream", address);
            if *strip_prefix {
                lines.line(format_args!("strip_prefix = true"));
            }
        }
        Does::Folder(folder) => lines.text("folder", folder),
        Does::Redirect(url) => lines.text("redirect", url),
        Does::Homeserver => lines.line(format_args!("homeserver = true")),
    }
    lines.list("networks", &route.networks);
    if let Some(bytes) = route.max_body_size {
        lines.text("max_body_size", &size(bytes));
    }
    if let Some(seconds) = route.read_timeout {
        lines.text("read_timeout", &format!("{seconds}s"));
    }
    lines
}

fn size(bytes: u64) -> String {
    let size = bytes.to_string().parse::<ByteSize>();
    size.map_or_else(|_| bytes.to_string(), |size| size.to_string())
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn under(heading: &str) -> Self {
        Self(format!("\n{heading}\n"))
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.line(format_args!("{key} = {}", quoted(text)));
    }

    /// Nothing where the list is empty.
    fn list(&mut self, key: &str, values: &[impl Display]) {
        if !values.is_empty() {
            let values = values.iter().map(|value| quoted(&value.to_string()));
            let values: Vec<String> = values.collect();
            self.line(format_args!("{key} = [{}]", values.join(", ")));
        }
    }
}
