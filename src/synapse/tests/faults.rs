//! Files that cannot be understood.

use super::{MAIN, imported, read, worker};

/// Files of a main process, and what is said of each; `{MAIN}` stands for a good one.
const FAULTS: [(&str, &str); 17] = [
    (
        "listeners: []",
        "homeserver.yaml: `server_name`: it is missing; name homeserver.yaml, which has it, as well",
    ),
    (
        "server_name: https://example.com",
        "`server_name`: \"https://example.com\" is not a server name",
    ),
    (
        "server_name: 1",
        "`server_name`: 1 is not a text; write a text, in quotes",
    ),
    (
        "{MAIN}\nlisteners: yes",
        "`listeners`: a single value is not a list",
    ),
    (
        "{MAIN}\nlisteners: [{port: 8008}]",
        "`listeners[0]`: this listener has no `type`; write type: http",
    ),
    (
        "{MAIN}\nlisteners: [{type: http}]",
        "this listener has neither `port` nor `path`; write one of them",
    ),
    (
        "{MAIN}\nlisteners: [{type: http, port: 1, path: /a}]",
        "this listener has both `port` and `path`",
    ),
    (
        "{MAIN}\nlisteners: [{type: http, port: '8008'}]",
        "`listeners[0].port`: \"8008\" is not a port; write a number from 1 to 65535",
    ),
    (
        "{MAIN}\nlisteners: [{type: http, port: 80080}]",
        "`listeners[0].port`: 80080 is not a port",
    ),
    (
        "{MAIN}\nlisteners: [{type: http, path: main.sock}]",
        "`listeners[0].path`: \"main.sock\" is not a whole path",
    ),
    (
        "{MAIN}\nlisteners: [{type: http, port: 1, x_forwarded: 1}]",
        "`listeners[0].x_forwarded`: 1 is not true or false",
    ),
    (
        "{MAIN}\nlisteners: [{type: http, port: 1, resources: [{names: [clients]}]}]",
        "`listeners[0].resources[0].names[0]`: \"clients\" is not a resource; the resources are client, ",
    ),
    (
        "{MAIN}\nmax_upload_size: 50 megabytes",
        "`max_upload_size`: \"50 megabytes\" is not a size",
    ),
    (
        "{MAIN}\npublic_baseurl: matrix.example.com",
        "`public_baseurl`: \"matrix.example.com\" is not a web address",
    ),
    (
        "{MAIN}\nstream_writers: {typings: w1}",
        "`stream_writers.typings`: Synapse 1.163 has no such stream",
    ),
    (
        "{MAIN}\nstream_writers: [typing]",
        "`stream_writers`: a list is not keys and values",
    ),
    (
        "{MAIN}\nenable_media_repo: maybe",
        "`enable_media_repo`: \"maybe\" is not true or false",
    ),
];

#[test]
fn files_that_synapse_would_not_start_with_are_faulty() {
    for (text, expected) in FAULTS {
        let text = text.replace("{MAIN}", MAIN);
        let faults = read(&[("homeserver.yaml", &text)]).expect_err(expected);
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            shown.iter().any(|fault| fault.contains(expected)),
            "{expected}\n{shown:#?}"
        );
    }
}

#[test]
fn workers_that_synapse_would_not_start_are_faulty() {
    let named = |name: &str| worker(name, 8081, "client", "");
    let cases = [
        (
            "worker_name: w1",
            "w.yaml: `worker_app`: a worker's file without `worker_app`",
        ),
        (
            "worker_app: synapse.app.generic_worker\nworker_name: ${APPLICATION_NAME}",
            "`worker_name`: \"${APPLICATION_NAME}\" is not a name yet; name the files as they are rendered",
        ),
        (
            &named("w2"),
            "`worker_name`: \"w2\" is the name of two workers, the other in w.yaml",
        ),
    ];
    for (text, expected) in cases {
        let files = [
            ("homeserver.yaml", MAIN),
            ("w.yaml", text),
            ("w2.yaml", &named("w2")),
        ];
        let faults = read(&files).expect_err(expected);
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            shown.iter().any(|fault| fault.contains(expected)),
            "{expected}\n{shown:#?}"
        );
    }
    let faults = read(&[("w.yaml", &named("w1"))]).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "w.yaml: no file of the main process was named; \
         name the main process's file first, commonly homeserver.yaml"
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "listeners: [{type: http, port: 0}, {type: http, port: a}]\nmax_upload_size: x";
    assert_eq!(read(&[("homeserver.yaml", text)]).unwrap_err().len(), 4);
}

#[test]
fn no_secret_is_in_a_fault() {
    let texts = [
        "registration_shared_secret: \"SECRET\nserver_name: [",
        "macaroon_secret_key: *SECRET",
        "SECRET",
        "- SECRET",
        "server_name: example.com\nmatrix_authentication_service: SECRET",
        "server_name: example.com\nmatrix_authentication_service: {enabled: true, endpoint: [SECRET]}",
        "server_name: example.com\npublic_baseurl: https://admin:SECRET@example.com",
        "server_name: example.com\ninstance_map: SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET SECRET",
        "server_name: example.com\nlisteners: {SECRET: 1}",
        "database: {args: {password: SECRET}}",
    ];
    for text in texts {
        let faults = read(&[("homeserver.yaml", text)]).expect_err(text);
        for fault in faults {
            let shown = fault.to_string();
            assert!(shown.starts_with("homeserver.yaml: "), "{shown}");
            assert!(!shown.contains("SECRET"), "{shown}");
        }
    }
    let mas = "server_name: example.com\nmatrix_authentication_service: \
               {enabled: true, endpoint: 'http://admin:SECRET@mas:8080/'}\n\
               listeners: [{type: http, port: 8008, resources: [{names: [client]}]}]";
    let (text, said) = imported(&[("homeserver.yaml", mas)]);
    assert!(!format!("{text}{said}").contains("SECRET"), "{text}{said}");
    assert!(said.contains("login goes nowhere"), "{said}");
}
