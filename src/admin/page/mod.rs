//! The status page: plain HTML, whole without a script, one column on a phone.

mod html;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::html::{Html, table};
use super::origins::OriginRow;
use super::sources::CertificateRow;
use super::status::{SelfCheckRow, Status, TroubleRow};
use super::upstreams::{Process, SiteState};

/// The style of the page, at `/style.css`.
pub(super) const STYLE: &str = include_str!("style.css");

/// A certificate that ends earlier than this should have been renewed.
const SOON: i64 = 14;

/// The page.
pub(super) fn page(status: &Status) -> String {
    let mut page = Html::begin("Vestibule");
    page.open("header", "");
    page.element("h1", "", "Vestibule");
    page.element("p", mood(status.state == "ready"), status.state);
    page.close("header");
    page.open("main", "");
    glance(&mut page, status);
    sites(&mut page, &status.sites);
    certificates(&mut page, status);
    self_check(&mut page, &status.self_check);
    traffic(&mut page, status);
    servers(&mut page, &status.origins);
    connections(&mut page, status);
    troubles(&mut page, &status.troubles);
    page.close("main");
    page.open("footer", "");
    page.element("p", "", &format!("Vestibule {}", status.version));
    page.open("p", "");
    page.text("As JSON or text: ");
    let paths = [
        "status",
        "upstreams",
        "origins",
        "certificates",
        "connections",
        "self-check",
        "config",
        "metrics",
    ];
    for path in paths {
        page.link(&format!("/{path}"), path);
    }
    page.close("p");
    page.close("footer");
    page.finish()
}

fn mood(is_good: bool) -> &'static str {
    if is_good { "good" } else { "bad" }
}

fn glance(page: &mut Html, status: &Status) {
    page.section("At a glance", |page| {
        page.open("dl", "");
        page.pair("Up for", &span(status.uptime_seconds));
        let loaded = status.configuration.loaded.as_deref();
        let version = status.configuration.version;
        let loaded = loaded.map_or_else(String::new, |at| {
            format!("version {version}, loaded {}", readable(at))
        });
        page.pair("Configuration", &loaded);
        let all = || status.sites.iter().flat_map(|site| &site.upstreams);
        let well = all().filter(|process| process.state == "well" && !process.drained);
        let processes = format!("{} of {} well", well.count(), all().count());
        page.pair("Processes of Synapse", &processes);
        page.pair("Connections open", &status.connections.open.to_string());
        page.pair(
            "Requests in flight",
            &status.connections.requests.to_string(),
        );
        let (all, errors) = (status.traffic.requests, status.traffic.errors);
        page.pair("Requests served", &format!("{all}, {errors} with a 5xx"));
        let first = status
            .certificates
            .iter()
            .filter_map(|row| row.expires.as_deref())
            .min();
        if let Some(first) = first {
            page.pair("First certificate ends", &left(first, status.now));
        }
        page.close("dl");
    });
}

fn sites(page: &mut Html, sites: &[SiteState]) {
    page.section("Sites", |page| {
        for site in sites {
            page.element("h3", "", &site.site);
            let rows = site.upstreams.iter().map(process);
            table(
                page,
                &[("process", ""), ("state", ""), ("in progress", "number")],
                rows,
            );
        }
    });
}

fn process(process: &Process) -> Vec<html::Cell> {
    let state = if process.drained {
        html::Cell::with("drained", "fair")
    } else {
        let class = match process.state {
            "well" => "good",
            "in_doubt" => "fair",
            _ => "bad",
        };
        html::Cell::with(&process.state.replace('_', " "), class)
    };
    let name = html::Cell::plain(&process.name).below(&process.groups.join(", "));
    vec![name, state, html::Cell::number(&process.requests)]
}

fn certificates(page: &mut Html, status: &Status) {
    page.section("Certificates", |page| {
        if let Some(error) = &status.certificates_error {
            page.element("p", "bad", error);
        } else if status.certificates.is_empty() {
            page.element("p", "", "No listener needs one.");
        }
        if !status.certificates.is_empty() {
            let rows = status.certificates.iter();
            let rows = rows.map(|row| certificate(row, status.now));
            table(page, &[("name", ""), ("ends", "")], rows);
        }
    });
}

fn certificate(row: &CertificateRow, now: OffsetDateTime) -> Vec<html::Cell> {
    let mut about = row.source.to_owned();
    if let Some(authority) = &row.authority {
        about = format!("{about}, {authority}");
    }
    if let Some(error) = &row.last_error {
        about = format!("{about}: {error}");
    }
    let class = match row.expires.as_deref().and_then(|at| days(at, now)) {
        Some(days) if days >= SOON => "good",
        Some(1..) => "fair",
        Some(_) => "bad",
        None if row.last_error.is_some() => "bad",
        None => "",
    };
    let ends = row
        .expires
        .as_deref()
        .map_or_else(|| "-".to_owned(), |at| left(at, now));
    let renewal = row
        .next_renewal
        .as_deref()
        .map(|at| format!("renewal {}", readable(at)));
    vec![
        html::Cell::plain(&row.name).below(&about),
        html::Cell::with(&ends, class).below(&renewal.unwrap_or_default()),
    ]
}

fn self_check(page: &mut Html, found: &[SelfCheckRow]) {
    if found.is_empty() {
        return;
    }
    page.section("Self-check", |page| {
        for of_site in found {
            self_check_of(page, of_site);
        }
    });
}

fn self_check_of(page: &mut Html, found: &SelfCheckRow) {
    let verdict = if found.ok { "passed" } else { "found faults" };
    page.element("h3", "", &found.site);
    let verdict = format!("{verdict}, {}", readable(&found.at));
    page.element("p", mood(found.ok), &verdict);
    page.open("ul", "");
    for finding in &found.findings {
        page.element("li", "", finding);
    }
    page.close("ul");
}

fn traffic(page: &mut Html, status: &Status) {
    page.section("Traffic since the start", |page| {
        let rows = status.traffic.classes.iter().map(|of| {
            vec![
                html::Cell::plain(&of.class),
                html::Cell::number(&of.in_flight),
                html::Cell::number(&of.requests),
                html::Cell::number(&of.per_minute),
                html::Cell::number(&of.errors),
            ]
        });
        let headings = ["now", "all", "a minute", "5xx"].map(|heading| (heading, "number"));
        table(page, &[&[("class", "")], &headings[..]].concat(), rows);
        for (title, of) in [
            ("Refused", &status.traffic.refusals),
            ("Failed", &status.traffic.failures),
        ] {
            if !of.is_empty() {
                page.element("h3", "", title);
                let rows = of.iter();
                let rows = rows
                    .map(|row| vec![html::Cell::plain(&row.name), html::Cell::number(&row.count)]);
                table(page, &[("reason", ""), ("requests", "number")], rows);
            }
        }
    });
}

fn servers(page: &mut Html, origins: &[OriginRow]) {
    if origins.is_empty() {
        return;
    }
    page.section("Other servers, by load", |page| {
        let rows = origins.iter().map(|of| {
            let name = html::Cell::plain(&of.origin);
            let name = if of.believed {
                name
            } else {
                name.below("not proven")
            };
            vec![
                name,
                html::Cell::number(&of.per_minute),
                html::Cell::number(&of.requests),
                html::Cell::number(&of.refused),
                html::Cell::number(&of.failed),
            ]
        });
        let headings = ["a minute", "all", "refused", "failed"].map(|heading| (heading, "number"));
        table(page, &[&[("server", "")], &headings[..]].concat(), rows);
    });
}

fn connections(page: &mut Html, status: &Status) {
    page.section("Connections", |page| {
        let rows = status.connections.by_listener.iter().map(|of| {
            vec![
                html::Cell::plain(&of.listener).below(&of.protocol),
                html::Cell::number(&of.open),
            ]
        });
        table(page, &[("listener", ""), ("open", "number")], rows);
        for waiting in &status.connections.requests_waiting {
            let text = format!("Requests {} now: {}", waiting.name, waiting.count);
            page.element("p", "", &text);
        }
    });
}

fn troubles(page: &mut Html, troubles: &[TroubleRow]) {
    page.section("Last warnings and errors", |page| {
        if troubles.is_empty() {
            page.element("p", "good", "none");
            return;
        }
        page.open("ol", "log");
        for trouble in troubles {
            let class = if trouble.level == "error" {
                "bad"
            } else {
                "fair"
            };
            page.open("li", "");
            page.element("span", class, trouble.level);
            page.text(" ");
            page.element("time", "", &readable(&trouble.at));
            if trouble.times > 1 {
                page.text(&format!(" ({} times)", trouble.times));
            }
            page.element("p", "", &trouble.message);
            page.close("li");
        }
        page.close("ol");
    });
}

/// `2026-11-21T20:32:22Z` as people write it.
fn readable(at: &str) -> String {
    at.replace('T', " ").replace('Z', " UTC")
}

/// When something ends, and how long that is.
fn left(at: &str, now: OffsetDateTime) -> String {
    let day = at.split('T').next().unwrap_or(at);
    match days(at, now) {
        Some(0) => format!("{day}, today"),
        Some(days @ 1..) => format!("{day}, in {days} d"),
        Some(days) => format!("{day}, {} d ago", -days),
        None => day.to_owned(),
    }
}

fn days(at: &str, now: OffsetDateTime) -> Option<i64> {
    let at = OffsetDateTime::parse(at, &Rfc3339).ok()?;
    Some((at - now).whole_days())
}

fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {} s", seconds % 60),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests;
