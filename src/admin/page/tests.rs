use super::super::status::{
    ClassRow, Connections, Loaded, Row, SelfCheckRow, Status, Traffic, TroubleRow,
};
use super::*;
use crate::admin::budgets::Budgets;

/// Something for every section, hostile where a stranger may have a say.
fn status() -> Status {
    let hostile = "<script>alert(\"1\")</script>&'";
    Status {
        version: "0.1.0",
        state: "draining",
        started: "2026-11-01T00:00:00Z".to_owned(),
        uptime_seconds: 90_061,
        configuration: Loaded {
            version: 3,
            loaded: Some("2026-11-20T10:00:00Z".to_owned()),
        },
        sites: vec![SiteState {
            site: "example.com".to_owned(),
            traffic: Budgets {
                federation_share: 0.5,
                budgets: Vec::new(),
            },
            upstreams: vec![Process {
                name: "sync1".to_owned(),
                groups: vec!["synchrotron"],
                state: "in_doubt",
                drained: false,
                requests: 17,
            }],
        }],
        certificates: vec![CertificateRow {
            name: "example.com".to_owned(),
            source: "acme",
            expires: Some("2026-11-28T00:00:00Z".to_owned()),
            last_error: Some(hostile.to_owned()),
            ..CertificateRow::default()
        }],
        certificates_error: None,
        lists: Vec::new(),
        connections: connections(),
        traffic: traffic(),
        origins: vec![origin()],
        troubles: vec![TroubleRow {
            at: "2026-11-21T01:02:03Z".to_owned(),
            level: "error",
            message: hostile.to_owned(),
            times: 3,
        }],
        self_check: vec![SelfCheckRow {
            site: "example.com".to_owned(),
            at: "2026-11-21T00:00:00Z".to_owned(),
            ok: false,
            findings: vec![hostile.to_owned()],
        }],
        now: OffsetDateTime::from_unix_timestamp(1_795_219_200).unwrap(),
    }
}

fn origin() -> OriginRow {
    OriginRow {
        origin: "busy.test".to_owned(),
        believed: false,
        per_minute: 12.5,
        requests: 400,
        verified: 0,
        refused: 399,
        failed: 1,
        bytes_in: 1,
        bytes_out: 2,
        waited_seconds: 0.5,
    }
}

fn connections() -> Connections {
    Connections {
        open: 4,
        by_listener: Vec::new(),
        requests: 2,
        requests_by_class: Vec::new(),
        requests_waiting: vec![Row {
            name: "held".to_owned(),
            count: 2,
        }],
    }
}

fn traffic() -> Traffic {
    Traffic {
        requests: 1000,
        errors: 5,
        classes: vec![ClassRow {
            class: "sync".to_owned(),
            in_flight: 2,
            requests: 1000,
            errors: 5,
            per_minute: 0.7,
        }],
        refusals: Vec::new(),
        failures: Vec::new(),
    }
}

#[test]
fn everything_of_the_status_is_on_the_page() {
    let page = page(&status());
    for text in [
        "<p class=\"bad\">draining</p>",
        "1 d 1 h",
        "version 3, loaded 2026-11-20 10:00:00 UTC",
        "1000, 5 with a 5xx",
        "<span class=\"fair\">in doubt</span>",
        "<td class=\"number\">17</td>",
        "<small>synchrotron</small>",
        "<span class=\"fair\">2026-11-28, in 7 d</span>",
        "found faults, 2026-11-21 00:00:00 UTC",
        "Requests held now: 2",
        "<td class=\"number\">0.7</td>",
        "(3 times)",
        "busy.test<small>not proven</small>",
        "<td class=\"number\">399</td>",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
}

#[test]
fn texts_of_others_are_texts() {
    let page = page(&status());
    assert!(!page.contains("<script"), "{page}");
    let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;";
    assert_eq!(page.matches(escaped).count(), 3, "{page}");
}

#[test]
fn an_end_is_told_in_days() {
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    for (at, expected) in [
        ("2027-01-15T08:30:00Z", "2027-01-15, today"),
        ("2027-01-18T08:30:00Z", "2027-01-18, in 3 d"),
        ("2027-01-13T07:30:00Z", "2027-01-13, 2 d ago"),
        ("soon", "soon"),
    ] {
        assert_eq!(left(at, now), expected);
    }
}
