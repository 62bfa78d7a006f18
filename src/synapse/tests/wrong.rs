//! What the lint tells of files and a configuration.

use super::{MAIN, OURS, config, deployment, in_front_of, said, worker};
use crate::synapse::lint;

/// What is shared beside the good main process; the resources of the worker "w1" and
/// what else its file says; its groups in the configuration; and what is told.
type Case = (
    &'static str,
    (&'static str, &'static str),
    &'static str,
    &'static str,
);

const OPEN: &str = "listeners: [{type: http, port: 8008, x_forwarded: true, resources: [{names: [client, federation]}]}, \
                    {type: http, port: 9093, resources: [{names: [replication]}]}]";
const AT_8448: &str =
    "listeners: [{type: http, port: 8448, resources: [{names: [client, federation]}]}]";
const CLIENT: (&str, &str) = ("client", "");

const PROBLEMS: [Case; 20] = [
    (
        "",
        CLIENT,
        "federation_reader",
        "problem: worker \"w1\" answers 404 for federation_reader: it has no federation on port 8081; add it to the `resources` of that listener in w1.yaml, or take the group from the worker",
    ),
    (
        "",
        CLIENT,
        "generic_worker",
        "answers 404 for generic_worker: it has no federation",
    ),
    (
        "",
        ("media", ""),
        "synchrotron",
        "answers 404 for synchrotron: it has no client",
    ),
    (
        "",
        CLIENT,
        "media_repository",
        "answers 404 for media_repository: it has no media",
    ),
    (
        "",
        ("media", "enable_media_repo: false"),
        "media_repository",
        "answers 404 for media_repository: its media repository is off; write enable_media_repo: true in w1.yaml",
    ),
    (
        "",
        CLIENT,
        "typing",
        "problem: worker \"w1\" answers 500 for typing, which the main process writes; name it in stream_writers.typing",
    ),
    (
        "stream_writers: {receipts: w2}",
        CLIENT,
        "receipts",
        "answers 500 for receipts, which \"w2\" writes",
    ),
    (
        "stream_writers: {typing: w2}",
        CLIENT,
        "synchrotron",
        "problem: nobody answers for typing: \"w2\" writes it, and no worker of the configuration is that; add typing to the `groups` of \"w2\"",
    ),
    (
        "enable_media_repo: false",
        CLIENT,
        "synchrotron",
        "problem: nobody answers for media_repository: the main process has enable_media_repo: false",
    ),
    (
        "stream_writers: {typing: [w1, w2]}",
        CLIENT,
        "typing",
        "problem: `stream_writers` names 2 processes for typing, so Synapse does not start; name one",
    ),
    (
        "stream_writers: {receipts: []}",
        CLIENT,
        "synchrotron",
        "`stream_writers` names 0 processes for receipts",
    ),
    (
        "stream_writers: {typing: w9}",
        CLIENT,
        "synchrotron",
        "problem: `stream_writers` names \"w9\" for typing, which `instance_map` does not have, so Synapse does not start",
    ),
    (
        "stream_writers: {events: main}",
        CLIENT,
        "synchrotron",
        "the main process is called \"master\" there",
    ),
    (
        "max_upload_size: 100M",
        CLIENT,
        "synchrotron",
        "problem: `max_upload_size` is 50M here and 100M at the main process: larger uploads never reach it",
    ),
    (
        "max_upload_size: 10M",
        CLIENT,
        "synchrotron",
        "larger uploads end in its refusal",
    ),
    (
        "public_baseurl: https://matrix.example.com",
        CLIENT,
        "synchrotron",
        "problem: public_baseurl is https://matrix.example.com, and the site answers for no matrix.example.com; add \"matrix.example.com\" to `hosts`",
    ),
    (
        "matrix_authentication_service: {enabled: true}",
        CLIENT,
        "synchrotron",
        "problem: Synapse leaves login to an authentication service, and no `mas` is written",
    ),
    (
        "server_name: example.org",
        CLIENT,
        "synchrotron",
        "problem: Synapse is \"example.org\", and no site of the configuration is",
    ),
    (
        "listeners: [{type: http, port: 8008, bind_addresses: ['::1'], x_forwarded: true, resources: [{names: [client]}]}]",
        CLIENT,
        "synchrotron",
        "problem: the main process answers other servers with 404 on port 8008; add federation to the `resources`",
    ),
    (
        "listeners: [{type: http, port: 8008, resources: [{names: [client, federation]}]}]",
        CLIENT,
        "synchrotron",
        "problem: the addresses of clients are lost, for logs and for limits, at the main process; write x_forwarded: true",
    ),
];

const WARNINGS: [Case; 9] = [
    (
        OPEN,
        CLIENT,
        "synchrotron",
        "warning: requests can come past Vestibule, on every address of the main process (port 8008)",
    ),
    (
        OPEN,
        CLIENT,
        "synchrotron",
        "warning: who reaches replication can do anything, and it is on every address of the main process (port 9093)",
    ),
    (
        OPEN,
        CLIENT,
        "synchrotron",
        "a request has an id of its own in the log of the main process; write request_id_header: X-Request-Id",
    ),
    (
        "stream_writers: {account_data: w2}",
        CLIENT,
        "account_data",
        "warning: worker \"w1\" does not write account_data, and asks \"w2\"",
    ),
    (
        "stream_writers: {receipts: [w1, w2]}",
        CLIENT,
        "receipts",
        "warning: \"w2\" writes receipts, and gets none of its requests",
    ),
    (
        "public_baseurl: https://example.com:8443",
        CLIENT,
        "synchrotron",
        "warning: clients are told https://example.com, and public_baseurl is https://example.com:8443",
    ),
    (
        "enable_media_repo: false",
        CLIENT,
        "synchrotron",
        "warning: media cannot be quarantined: the main process writes quarantined_media_changes",
    ),
    (
        AT_8448,
        CLIENT,
        "synchrotron",
        "warning: port 8448 is wanted by Vestibule and by the main process",
    ),
    (
        AT_8448,
        CLIENT,
        "synchrotron",
        "warning: the main process does not listen at http://127.0.0.1:8008",
    ),
];

fn linted(shared: &str, (resources, more): (&str, &str), ours: &str) -> String {
    let w1 = worker("w1", 8081, resources, more);
    let files = [
        ("homeserver.yaml", MAIN),
        ("shared.yaml", shared),
        ("w1.yaml", &w1),
    ];
    let files: Vec<_> = files
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .collect();
    said(&lint(&deployment(&files), &config(ours)))
}

#[test]
fn what_would_fail_is_a_problem() {
    for (shared, w1, group, expected) in PROBLEMS {
        let said = linted(shared, w1, &in_front_of(&[("w1", 8081, group)]));
        let line = said.lines().find(|line| line.contains(expected));
        assert!(
            line.is_some_and(|line| line.starts_with("problem: ")),
            "{expected}\nbut:\n{said}"
        );
    }
}

#[test]
fn what_could_be_better_is_a_warning() {
    for (shared, w1, group, expected) in WARNINGS {
        let said = linted(shared, w1, &in_front_of(&[("w1", 8081, group)]));
        let line = said.lines().find(|line| line.contains(expected));
        assert!(
            line.is_some_and(|line| line.starts_with("warning: ")),
            "{expected}\nbut:\n{said}"
        );
    }
}

#[test]
fn a_configuration_that_is_of_something_else_is_told() {
    let elsewhere = in_front_of(&[("w1", 8099, "synchrotron")]);
    let unknown = in_front_of(&[("sync9", 8099, "synchrotron")]);
    let mas = format!("mas = \"http://[::1]:8080\"\n{OURS}");
    for (resources, ours, expected) in [
        (
            "replication",
            &*elsewhere,
            "problem: worker \"w1\" listens for no requests, and answers none",
        ),
        (
            "client",
            &*elsewhere,
            "warning: worker \"w1\" does not listen at http://127.0.0.1:8099",
        ),
        (
            "client",
            &*unknown,
            "warning: none of Synapse's files is of worker \"sync9\"",
        ),
        (
            "client",
            OURS,
            "warning: worker \"w1\" could answer for synchrotron, client_reader, event_creator, and gets no requests",
        ),
        (
            "client",
            &*mas,
            "problem: login goes to http://[::1]:8080, and Synapse knows of no authentication service",
        ),
    ] {
        let said = linted("", (resources, ""), ours);
        assert!(said.contains(expected), "{expected}\nbut:\n{said}");
    }
}

#[test]
fn what_agrees_is_not_remarked_on() {
    let files = [
        ("homeserver.yaml", MAIN),
        ("w1.yaml", &*worker("w1", 8081, "client", "")),
    ];
    let ours = in_front_of(&[("w1", 8081, "synchrotron")]);
    assert_eq!(lint(&deployment(&files), &config(&ours)), []);
    // Found by its address, where the names differ.
    let ours = in_front_of(&[("sync", 8081, "synchrotron")]);
    assert_eq!(lint(&deployment(&files), &config(&ours)), []);
}
