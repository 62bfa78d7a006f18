//! The dashboard and the alerts: what they ask for exists, as a real Prometheus sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vestibule::telemetry::metrics_reference;

use crate::support::prometheus::Prometheus;
use crate::support::tool::is_there;
use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule, eventually};

/// What does not happen in this test, or at all on a healthy machine.
const CANNOT_OCCUR: [&str; 17] = [
    "vestibule_connections_refused_total",
    "vestibule_accept_errors_total",
    "vestibule_certificate_orders_total",
    "vestibule_certificate_self_signed",
    "vestibule_discovery_lookups_total",
    "vestibule_discovered_members",
    "vestibule_configuration_version",
    "vestibule_configuration_reloads_total",
    "vestibule_upgrades_failed_total",
    "vestibule_self_check_findings",
    "vestibule_self_check_timestamp_seconds",
    "vestibule_key_lookups_total",
    "vestibule_key_lookups_refused_total",
    "vestibule_key_lookups_under_way",
    "vestibule_key_waits",
    "vestibule_server_keys",
    "vestibule_servers_without_keys",
];

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every expression of the dashboard, its variables filled in.
fn panels() -> Vec<String> {
    let text = std::fs::read_to_string(file("deploy/grafana/vestibule.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    collect(&dashboard, &["expr", "definition"], &mut found);
    let filled = found.iter().map(|text| {
        let text = text.replace("$__rate_interval", "30s");
        let text = text.replace("$instance", ".*").replace("$site", ".*");
        match text.strip_prefix("label_values(") {
            Some(rest) => rest.split(',').next().unwrap().to_owned(),
            None => text,
        }
    });
    filled.collect()
}

/// Every expression of the alerts.
fn alerts() -> Vec<String> {
    let text = std::fs::read_to_string(file("deploy/prometheus/alerts.yml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let mut found = Vec::new();
    collect(&rules, &["expr"], &mut found);
    found
}

fn collect(value: &Value, keys: &[&str], found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        match value.as_str().filter(|_| keys.contains(&&**key)) {
            Some(text) => found.push(text.to_owned()),
            None => collect(value, keys, found),
        }
    }
    for value in value.as_array().into_iter().flatten() {
        collect(value, keys, found);
    }
}

/// Every declared series with its labels.
fn declared() -> BTreeMap<String, BTreeSet<String>> {
    let reference = metrics_reference();
    let mut declared = BTreeMap::new();
    for section in reference.split("\n## `").skip(1) {
        let name = section.split('`').next().unwrap().to_owned();
        let labels = section.lines().find_map(|l| l.strip_prefix("- labels: "));
        let labels = labels.unwrap_or_default().split(", ");
        let labels = labels.map(|label| label.trim_matches('`').to_owned());
        let labels: BTreeSet<String> = labels.chain(["instance".into(), "job".into()]).collect();
        if section.contains("- type: histogram") {
            for part in ["_count", "_sum"] {
                declared.insert(format!("{name}{part}"), labels.clone());
            }
            let labels = labels.into_iter().chain(["le".to_owned()]).collect();
            declared.insert(format!("{name}_bucket"), labels);
        } else {
            declared.insert(name, labels);
        }
    }
    declared
}

/// The series of an expression, each with the labels that it is selected by.
fn series(expression: &str) -> Vec<(String, Vec<String>)> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = ["vestibule_", "process_"]
        .iter()
        .filter_map(|p| rest.find(p))
        .min()
    {
        let from = &rest[at..];
        let end = from.find(|c| !of_name(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let selectors = after.strip_prefix('{').and_then(|s| s.split('}').next());
        let labels = selectors.unwrap_or_default().split(',');
        let labels = labels.filter_map(|one| {
            let (label, _) = one.split_once('=')?;
            Some(label.trim().trim_end_matches('!').to_owned())
        });
        found.push((name.to_owned(), labels.collect()));
        rest = after;
    }
    found
}

/// The labels that an expression groups by.
fn groups(expression: &str) -> Vec<String> {
    let lists = expression.split(" by (").skip(1);
    let lists = lists.filter_map(|rest| rest.split(')').next());
    let labels = lists.flat_map(|list| list.split(','));
    labels.map(|label| label.trim().to_owned()).collect()
}

#[test]
fn what_panels_and_alerts_ask_for_is_declared() {
    let declared = declared();
    let mut used = BTreeSet::new();
    for expression in panels().into_iter().chain(alerts()) {
        let series = series(&expression);
        assert!(!series.is_empty(), "{expression}");
        for (name, labels) in &series {
            let known = declared.get(name);
            let known = known.unwrap_or_else(|| panic!("there is no {name}: {expression}"));
            for label in labels {
                assert!(known.contains(label), "{name} has no {label}: {expression}");
            }
            used.insert(name.trim_end_matches("_bucket").to_owned());
        }
        for label in groups(&expression) {
            let is_known = series
                .iter()
                .all(|(name, _)| declared[name].contains(&label));
            assert!(is_known, "not all have {label}: {expression}");
        }
    }
    let names = declared.keys().map(|name| name.trim_end_matches("_bucket"));
    let unused: Vec<_> = names
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_count"))
        .filter(|name| !used.contains(*name))
        .collect();
    assert_eq!(
        unused,
        Vec::<&str>::new(),
        "are on no panel and in no alert"
    );
}

#[test]
fn the_alerts_are_right_rules_and_fire_when_they_should() {
    if !is_there("promtool") {
        return;
    }
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let run = Command::new("promtool")
            .args(arguments)
            .current_dir(file("deploy/prometheus"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}");
    }
}

const DEPLOYMENT: &str = r#"
[federation]
signatures = "enforce"
dry_run = true
rules = [{ name = "tried", action = "deny", origins = ["*"], dry_run = true }]
[timeouts]
hold = "1s"
[[workers]]
name = "sync1"
upstream = "$homeserver"
groups = ["synchrotron"]
[[workers]]
name = "sync2"
upstream = "$second"
groups = ["synchrotron"]
[[workers]]
name = "typing1"
upstream = "http://127.0.0.1:1"
groups = ["typing"]
[[groups]]
name = "synchrotron"
max_requests = 1
max_queued = 9
max_wait = "10s"
[[traffic.budgets]]
name = "sync"
per_sender = 4
"#;

/// Traffic of each kind. What is returned is still under way.
async fn drive(vestibule: &Vestibule, homeservers: [&Homeserver; 2]) -> Vec<crate::support::Raw> {
    let gate = Gate::new();
    for homeserver in homeservers {
        let answer = Answer::json(200, "{}").after(&gate);
        homeserver.route("GET", "/_matrix/client/v3/sync", answer);
        homeserver.route("GET", "/_matrix/client/v3/capabilities", Answer::hang_up());
    }
    // Of one user, so that the second waits for its turn, or moves.
    let sync =
        Request::get("/_matrix/client/v3/sync?since=s1").field("Authorization", "Bearer opaque");
    let mut waiting = Vec::new();
    // And the fifth in front of all that.
    for _ in 0..5 {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(sync.bytes()).await;
        waiting.push(client);
    }
    let queued = async || {
        vestibule
            .metric("vestibule_requests_waiting", &["queued"])
            .await
    };
    eventually("some wait for their turn", async || queued().await >= 2.0).await;
    for request in [
        Request::get("/_matrix/client/versions"),
        Request::get("/_matrix/client/versions"),
        Request::get("/_matrix/client/v3/capabilities"),
        Request::get("/nowhere"),
        Request::put("/_matrix/client/v3/rooms/!r:x/typing/@a:x", "{}"),
        Request::put("/_matrix/federation/v1/send/1", "{}").signed(),
    ] {
        vestibule.ask(Door::Tls, &request).await;
    }
    let mut no_tls = vestibule.raw_without_tls(Door::Tls).await;
    no_tls.send("GET / HTTP/1.1\r\n\r\n").await;
    no_tls.closed().await;
    gate.open();
    for client in &mut waiting {
        client.response().await;
    }
    // What is in flight has a panel, too.
    let silence = Answer::silence();
    for homeserver in homeservers {
        homeserver.route("GET", "/_matrix/client/v3/events", silence.clone());
    }
    let mut client = vestibule.raw(Door::Plain).await;
    let events = Request::get("/_matrix/client/v3/events");
    client.send(events.bytes()).await;
    vec![client]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_has_data_and_every_alert_can_be_asked() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let config = DEPLOYMENT.replace("$second", second.url());
    let vestibule = Vestibule::start(&first, &config).await;
    let Some(prometheus) = Prometheus::start(vestibule.admin_address()).await else {
        return;
    };
    let _in_flight = drive(&vestibule, [&first, &second]).await;
    for expression in panels() {
        let names = series(&expression);
        let can_be_empty = names.iter().any(|(n, _)| CANNOT_OCCUR.contains(&&**n));
        let what = format!("there is data for {expression}");
        eventually(&what, async || {
            let found = prometheus.query(&expression).await;
            found.unwrap_or_else(|error| panic!("{error}")) > 0 || can_be_empty
        })
        .await;
    }
    for expression in alerts() {
        let asked = prometheus.query(&expression).await;
        assert!(asked.is_ok(), "{asked:?}");
    }
    let declared = declared();
    let ours = |name: &&String| name.starts_with("vestibule_") || name.starts_with("process_");
    for name in prometheus.names().await.iter().filter(ours) {
        assert!(declared.contains_key(name), "{name} is not declared");
    }
}
