//! Every metric family, declared once: name, type, labels and meaning.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge, Registry};

use super::family::{Declaration, Family, Instrument};

/// From a cached answer to a ten-minute long poll.
const REQUEST_SECONDS: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0, 600.0,
];

/// From the same machine to the default limit of a handshake and beyond.
const SETUP_SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];

/// From a moment to the longest hold.
const WAIT_SECONDS: &[f64] = &[
    0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Makes of one table the families, their registration and the reference.
macro_rules! families {
    ($(
        $(#[doc = $help:literal])+
        $field:ident: $instrument:ident [$($label:literal),*] $(in $buckets:ident)? = $name:literal;
    )+) => {
        /// The families, ready to count.
        pub(in crate::telemetry) struct Families {
            $(
                $(#[doc = $help])+
                pub(in crate::telemetry) $field:
                    Family<$instrument, { <[&str]>::len(&[$($label),*]) }>,
            )+
        }

        /// What is declared, in the order of the reference.
        pub(super) static DECLARED: &[Declaration] = &[$(
            Declaration {
                name: $name,
                help: concat!($($help),+),
                kind: <$instrument as Instrument>::KIND,
                labels: &[$($label),*],
                buckets: { let none: &[f64] = &[]; $(let none = { let _ = none; $buckets };)? none },
            },
        )+];

        impl Families {
            /// Makes the families and registers each with `registry`.
            pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
                let mut declared = DECLARED.iter();
                Ok(Self {$(
                    $field: {
                        let declaration = declared.next().ok_or_else(|| {
                            prometheus::Error::Msg(concat!($name, " is not declared").to_owned())
                        })?;
                        let family = Family::new(declaration)?;
                        registry.register(family.collector())?;
                        family
                    },
                )+})
            }

            /// Forgets the series with a label of which `is_kept`, given its name and value,
            /// says no.
            pub(super) fn retain(&self, is_kept: &dyn Fn(&str, &str) -> bool) {
                $(self.$field.retain(is_kept);)+
            }
        }
    };
}

families! {
    /// Downstream connections open now.
    connections_open: IntGauge ["listener", "protocol"] = "vestibule_connections_open";
    /// Downstream connections served, counted when they begin to speak HTTP.
    connections_accepted: IntCounter ["listener", "protocol"] = "vestibule_connections_accepted_total";
    /// Downstream connections closed before anything was read, by reason.
    connections_refused: IntCounter ["listener", "reason"] = "vestibule_connections_refused_total";
    /// Failures of the accept system call; a lack of file descriptors shows here.
    accept_errors: IntCounter ["listener"] = "vestibule_accept_errors_total";
    /// TLS handshakes that succeeded, by protocol version, key exchange group, and whether they
    /// resumed a session ("resumed") or not ("full").
    tls_handshakes: IntCounter ["listener", "version", "group", "kind"] = "vestibule_tls_handshakes_total";
    /// Time from the first byte to the end of a TLS handshake that succeeded.
    tls_handshake_seconds: Histogram ["listener"] in SETUP_SECONDS = "vestibule_tls_handshake_seconds";
    /// TLS handshakes that failed, by reason.
    tls_handshake_failures: IntCounter ["listener", "reason"] = "vestibule_tls_handshake_failures_total";
    /// When the certificate in use ends, as Unix time.
    certificate_expiry: IntGauge ["name"] = "vestibule_certificate_expiry_timestamp_seconds";
    /// 1 while a name has a self-signed certificate only, because none could be had yet.
    certificate_self_signed: IntGauge ["name"] = "vestibule_certificate_self_signed";
    /// Orders for a certificate (ACME), by result: "issued", or the reason why not.
    certificate_orders: IntCounter ["name", "result"] = "vestibule_certificate_orders_total";
    /// Requests answered, one for each access log record. A request that matched no site,
    /// or went to no upstream, has "none" there.
    requests: IntCounter ["site", "class", "method", "status", "upstream"] = "vestibule_requests_total";
    /// Requests being served now.
    requests_in_flight: IntGauge ["class"] = "vestibule_requests_in_flight";
    /// Requests that wait now: "shaped" for their turn in their budget, "queued" for one at a process, or "held" for one that is away.
    requests_waiting: IntGauge ["state"] = "vestibule_requests_waiting";
    /// Time from the request head to the last byte of the answer.
    request_seconds: Histogram ["site", "class"] in REQUEST_SECONDS = "vestibule_request_duration_seconds";
    /// Bytes of bodies: "request" from clients, "response" to clients.
    body_bytes: IntCounter ["site", "class", "direction"] = "vestibule_body_bytes_total";
    /// Federation requests by the server that says to send them: the twenty that send most by
    /// name, all others as "(other)", and those that the homeserver did not believe, or did not
    /// see, as "(unproven)". Who is shown changes; no more are ever shown at a time.
    origin_requests: IntCounter ["origin"] = "vestibule_origin_requests_total";
    /// Requests refused by rule, limit or malformed head, by reason.
    refusals: IntCounter ["reason"] = "vestibule_refusals_total";
    /// Requests that would have been refused, were it not for `dry_run`, by reason.
    dry_run: IntCounter ["reason"] = "vestibule_dry_run_refusals_total";
    /// Federation requests on which a rule for origins decided, by rule and what it did: "allowed",
    /// "refused", or `would_refuse` where it is only tried. Where no rule does, `strangers`,
    /// `ip_literals` and `ambiguous` decide.
    origin_rules: IntCounter ["rule", "result"] = "vestibule_origin_rules_total";
    /// Names in a list of servers.
    list_entries: IntGauge ["list"] = "vestibule_list_entries";
    /// When a list of servers was last read, or found to be the same, as Unix time; 0 for never.
    list_read_time: IntGauge ["list"] = "vestibule_list_read_timestamp_seconds";
    /// 0 where the last try to read a list of servers failed, and what it held before is in force.
    list_current: IntGauge ["list"] = "vestibule_list_last_read_successful";
    /// Tries to read a list of servers, by result: "changed", "same" or "failed".
    list_reads: IntCounter ["list", "result"] = "vestibule_list_reads_total";
    /// What came of the signatures of federation requests: "verified", "wrong", `no_key` where the
    /// key is not known, `too_large` and "malformed" where the body cannot be verified, "unclear"
    /// where there is no signature that can be read in one way.
    signatures: IntCounter ["result"] = "vestibule_signatures_total";
    /// Requests that failed without being refused, by reason.
    failures: IntCounter ["reason"] = "vestibule_failures_total";
    /// Attempts at an upstream that failed, by kind.
    upstream_errors: IntCounter ["upstream", "kind"] = "vestibule_upstream_errors_total";
    /// Time to a new upstream connection, TLS included; reused connections do not count.
    upstream_connect_seconds: Histogram ["upstream"] in SETUP_SECONDS = "vestibule_upstream_connect_seconds";
    /// Time from sending the request to the first byte of the upstream's answer.
    upstream_first_byte_seconds: Histogram ["upstream"] in REQUEST_SECONDS = "vestibule_upstream_first_byte_seconds";
    /// Look-ups of the DNS name that stands for a worker's processes, by result: "same" or
    /// "changed" members, or "failed", which leaves them as they were.
    discovery_lookups: IntCounter ["worker", "result"] = "vestibule_discovery_lookups_total";
    /// Processes that the DNS name of a worker stands for.
    discovered_members: IntGauge ["worker"] = "vestibule_discovered_members";
    /// Requests for public documents, by endpoint and where the answer came from: "hit" and
    /// "revalidated" from memory, the latter while a new one was fetched; "stale" from memory as the
    /// homeserver was down; "shared" from a request that was under way; "miss" from the homeserver;
    /// "passed" from there as for any other request.
    edge_cache: IntCounter ["endpoint", "result"] = "vestibule_edge_cache_requests_total";
    /// Public documents that have a place in memory.
    edge_cache_documents: IntGauge [] = "vestibule_edge_cache_documents";
    /// Requests of a homeserver with workers, by the group whose work they were, the process that
    /// got them and why: "key" (its user, room, server or media leads there), "moved" (the
    /// key's own process has too much to do or is away), "least" (no key), or, as those
    /// whose work it is are away, `stand_in` or "main".
    placements: IntCounter ["site", "group", "upstream", "by"] = "vestibule_placements_total";
    /// Requests of a budget: "active" at the homeserver, or "waiting" for their turn.
    budget_requests: IntGauge ["site", "budget", "state"] = "vestibule_budget_requests";
    /// Requests of a budget that may be active now: less for other servers while our own users wait
    /// longer than usual.
    budget_allowed: IntGauge ["site", "budget"] = "vestibule_budget_allowed";
    /// What the work for other servers may have now of the most that is configured, from 0 to 1;
    /// 0.5 is usual, more only while it is asked for.
    federation_share: Gauge ["site"] = "vestibule_federation_share";
    /// Requests that waited for their turn in their budget, and those for which there was not even
    /// a place to wait, by how that ended.
    shaped: IntCounter ["budget", "outcome"] = "vestibule_shaped_requests_total";
    /// Time that they waited for their turn.
    shaped_seconds: Histogram ["budget"] in WAIT_SECONDS = "vestibule_shaped_seconds";
    /// Requests that waited for a turn at a process, by group and how that ended.
    queued: IntCounter ["group", "outcome"] = "vestibule_queued_requests_total";
    /// Time that they waited for a turn.
    queued_seconds: Histogram ["group"] in WAIT_SECONDS = "vestibule_queued_seconds";
    /// Requests that waited for a process that was away, by class and how that ended.
    held: IntCounter ["class", "outcome"] = "vestibule_held_requests_total";
    /// Time that they waited for a process that was away.
    held_seconds: Histogram ["class"] in WAIT_SECONDS = "vestibule_held_seconds";
    /// Requests sent once more after a connection ended without an answer.
    repeated: IntCounter ["upstream"] = "vestibule_repeated_requests_total";
    /// Requests of homeservers in progress at a process.
    upstream_requests: IntGauge ["upstream"] = "vestibule_upstream_requests";
    /// 1 where an operator has drained a process, so that no new requests go there.
    upstream_drained: IntGauge ["upstream"] = "vestibule_upstream_drained";
    /// Changes of an upstream's health, by what it became: "well", `in_doubt` or "away".
    upstream_changes: IntCounter ["upstream", "state"] = "vestibule_upstream_changes_total";
    /// Whether an upstream is there: 1 well, 0.5 where it fails its health checks, 0 away.
    upstream_up: Gauge ["upstream"] = "vestibule_upstream_up";
    /// Look-ups of the user behind an access token, by result: "found", "refused" by the homeserver,
    /// "failed" without an answer of use, or "busy" and not made, as too many were under way.
    user_lookups: IntCounter ["result"] = "vestibule_user_lookups_total";
    /// Access tokens whose user, or lack of one, is remembered.
    user_tokens: IntGauge [] = "vestibule_user_tokens";
    /// Lookups of a server's keys at the homeserver, by result: "found"; "absent" where it has no such
    /// key and could not get it; "rejected" where what it has is not signed by the server itself;
    /// "late" or "failed" where there was no answer.
    key_lookups: IntCounter ["result"] = "vestibule_key_lookups_total";
    /// Lookups of keys that were not made, by reason: "address" where there were too many for one
    /// client address, "busy" where too many were under way or waited for.
    key_lookups_refused: IntCounter ["reason"] = "vestibule_key_lookups_refused_total";
    /// Lookups of keys under way.
    key_lookups_under_way: IntGauge [] = "vestibule_key_lookups_under_way";
    /// Requests that wait for a key.
    key_waits: IntGauge [] = "vestibule_key_waits";
    /// Keys of servers that are remembered.
    server_keys: IntGauge [] = "vestibule_server_keys";
    /// Servers that are let be, as the last lookup of their keys brought none.
    servers_let_be: IntGauge [] = "vestibule_servers_without_keys";
    /// Access log records lost: the queue was full or the write failed.
    access_log_dropped: IntCounter ["reason"] = "vestibule_access_log_records_dropped_total";
    /// Spans of requests lost: the queue was full or the collector did not take them. Only in a build
    /// with OTLP.
    trace_spans_dropped: IntCounter ["reason"] = "vestibule_trace_spans_dropped_total";
    /// The configuration in force: 1 at the start, one more with each reload.
    configuration_version: IntGauge [] = "vestibule_configuration_version";
    /// When the configuration in force was loaded, as Unix time.
    configuration_loaded: IntGauge [] = "vestibule_configuration_loaded_time_seconds";
    /// Reloads by result: `done`, or `failed`, which changes nothing.
    configuration_reloads: IntCounter ["result"] = "vestibule_configuration_reloads_total";
    /// 0 where the last reload failed, and the file is not what is in force.
    configuration_current: IntGauge [] = "vestibule_configuration_last_reload_successful";
    /// Upgrades after which this process had to go on: no other could take its place.
    upgrades_failed: IntCounter [] = "vestibule_upgrades_failed_total";
    /// What the program found when it last checked itself, by severity: "error", "warning" or
    /// "info"; `/self-check` of the admin listener tells more.
    self_check_findings: IntGauge ["severity"] = "vestibule_self_check_findings";
    /// When the program last checked itself, as Unix time.
    self_check_time: IntGauge [] = "vestibule_self_check_timestamp_seconds";
    /// Always 1; the label tells which build runs.
    build_info: IntGauge ["version"] = "vestibule_build_info";
    /// When this process started, as Unix time.
    process_start_time: Gauge [] = "process_start_time_seconds";
    /// Processor time used, user and system.
    process_cpu_seconds: Counter [] = "process_cpu_seconds_total";
    /// Memory resident.
    process_resident_bytes: IntGauge [] = "process_resident_memory_bytes";
    /// Address space in use.
    process_virtual_bytes: IntGauge [] = "process_virtual_memory_bytes";
    /// Threads.
    process_threads: IntGauge [] = "process_threads";
    /// File descriptors open.
    process_open_files: IntGauge [] = "process_open_fds";
    /// File descriptors allowed.
    process_max_files: IntGauge [] = "process_max_fds";
}
