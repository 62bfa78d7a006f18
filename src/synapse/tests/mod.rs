use std::fmt::Write;
use std::path::{Path, PathBuf};

mod any;
mod faults;
mod wrong;

use super::*;
use crate::config::Config;

const FOLDER: &str = "tests/fixtures/synapse";
/// A main process with all that workers need.
const MAIN: &str = "
server_name: example.com
listeners:
  - {type: http, port: 8008, bind_addresses: [127.0.0.1], x_forwarded: yes,
     request_id_header: X-Request-Id, resources: [{names: [client, federation]}]}
instance_map: {main: {host: localhost, port: 9093}, w1: {host: localhost, port: 9101}, w2: {host: localhost, port: 9102}}
";
/// The configuration in front of it.
const OURS: &str = "server_name = \"example.com\"\nhomeserver = \"http://127.0.0.1:8008\"\n";

fn read(files: &[(&str, &str)]) -> Result<Deployment, Vec<Fault>> {
    let documents = files.iter().map(|(name, text)| Document::parse(name, text));
    let documents: Result<Vec<_>, _> = documents.collect();
    Deployment::read(&documents.map_err(|fault| vec![fault])?)
}

fn deployment(files: &[(&str, &str)]) -> Deployment {
    read(files).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn config(text: &str) -> Config {
    Config::parse("test.toml", text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// A worker's file: its name, port, resources and what else.
fn worker(name: &str, port: u16, resources: &str, more: &str) -> String {
    format!(
        "worker_app: synapse.app.generic_worker\nworker_name: {name}\nworker_listeners:\n  \
         - {{type: http, port: {port}, bind_addresses: [127.0.0.1], x_forwarded: true, \
         request_id_header: X-Request-Id, resources: [{{names: [{resources}]}}]}}\n{more}"
    )
}

fn in_front_of(workers: &[(&str, u16, &str)]) -> String {
    let mut text = OURS.to_owned();
    for (name, port, group) in workers {
        let _ = write!(
            text,
            "[[workers]]\nname = \"{name}\"\nupstream = \"http://127.0.0.1:{port}\"\ngroups = [\"{group}\"]\n"
        );
    }
    text
}

fn said(remarks: &[Remark]) -> String {
    let lines: Vec<String> = remarks.iter().map(ToString::to_string).collect();
    lines.join("\n") + "\n"
}

/// What is told of an import, and the configuration that it writes.
fn imported(files: &[(&str, &str)]) -> (String, String) {
    let deployment = deployment(files);
    let imported = import(&deployment).unwrap_or_else(|fault| panic!("{fault}"));
    let wrong = lint(&deployment, &config(&imported.text));
    (imported.text, said(&imported.remarks) + &said(&wrong))
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    files
}

/// The deployments of the fixtures: name, and files with the main process's first.
fn fixtures() -> Vec<(String, Vec<(String, String)>)> {
    let entries = std::fs::read_dir(FOLDER).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let folders = folders.filter(|folder| folder.join("homeserver.yaml").is_file());
    let mut fixtures: Vec<_> = folders
        .map(|folder| {
            let mut files = yaml_files(&folder);
            files.extend(yaml_files(&folder.join("workers")));
            let shown = |file: &Path| file.strip_prefix(&folder).unwrap().display().to_string();
            let files = files
                .iter()
                .map(|file| (shown(file), std::fs::read_to_string(file).unwrap()));
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            (name, files.collect())
        })
        .collect();
    fixtures.sort();
    fixtures
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect()
}

#[test]
fn every_kind_of_deployment_is_imported() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 7);
    for (name, files) in fixtures {
        let (text, said) = imported(&borrowed(&files));
        insta::with_settings!({
            snapshot_path => "../../../tests/fixtures/synapse/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, format!("{text}\n--\n{said}")) });
    }
}

#[test]
fn the_order_of_workers_changes_nothing() {
    for (name, files) in fixtures() {
        let files = borrowed(&files);
        let (main, workers) = files.split_first().unwrap();
        let turned: Vec<_> = std::iter::once(main)
            .chain(workers.iter().rev())
            .copied()
            .collect();
        assert_eq!(imported(&files), imported(&turned), "{name}");
    }
}

#[test]
fn no_secret_comes_out() {
    for (name, files) in fixtures() {
        let files = borrowed(&files);
        let (text, said) = imported(&files);
        let kept = format!("{:?}", deployment(&files));
        for out in [text, said, kept] {
            assert!(!out.contains("SECRET"), "{name}: {out}");
        }
    }
}

#[test]
fn a_main_process_without_a_listener_has_no_place_in_a_configuration() {
    let text = "server_name: example.com\nlisteners: [{type: http, port: 1, resources: [{names: [replication]}]}]";
    let fault = import(&deployment(&[("homeserver.yaml", text)])).unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("no listener for client or federation requests"),
        "{fault}"
    );
}

#[test]
fn later_files_override_earlier_ones() {
    let text = worker("w1", 8081, "media", "enable_media_repo: true");
    let files = [
        ("a.yaml", MAIN),
        ("b.yaml", "max_upload_size: 1G\nenable_media_repo: no"),
        ("w.yaml", &text),
    ];
    let deployment = deployment(&files);
    assert_eq!(deployment.main.max_upload_size, 1 << 30);
    assert!(!deployment.main.has_media_repository);
    assert!(deployment.workers[0].has_media_repository);
    assert_eq!(deployment.workers[0].max_upload_size, 1 << 30);
}

#[test]
fn streams_and_duties_tell_groups() {
    let main = format!(
        "{MAIN}stream_writers: {{typing: w1, events: w2}}\nupdate_user_directory_from_worker: w1\n\
         media_instance_running_background_jobs: w1"
    );
    let (one, two) = (
        worker("w1", 8081, "client", ""),
        worker("w2", 8082, "client", ""),
    );
    let (text, said) = imported(&[("h.yaml", &main), ("1.yaml", &one), ("2.yaml", &two)]);
    assert!(
        text.contains("groups = [\"user_dir\", \"typing\"]"),
        "{text}"
    );
    assert!(
        said.contains("left out: worker \"w2\": no requests go there, it persists events"),
        "{said}"
    );
    let media = "left out: worker \"w1\": media_repository, because on port 8081 it has no media";
    assert!(said.contains(media), "{said}");
}

#[test]
fn what_would_not_load_is_left_out() {
    let (one, two) = (
        worker("sso1", 8081, "client", ""),
        worker("sso2", 8082, "client", ""),
    );
    let (text, said) = imported(&[("h.yaml", MAIN), ("1.yaml", &one), ("2.yaml", &two)]);
    assert!(!text.contains("8082"), "{text}");
    assert!(
        said.contains("worker \"sso2\": sso_login, for which worker \"sso1\" stands already"),
        "{said}"
    );
    let (one, two) = (
        worker("sync1", 8081, "client", ""),
        worker("sync2", 8081, "client", ""),
    );
    let (text, said) = imported(&[("h.yaml", MAIN), ("1.yaml", &one), ("2.yaml", &two)]);
    assert!(!text.contains("sync2"), "{text}");
    assert!(
        said.contains(
            "http://127.0.0.1:8081 would be its address, and is that of worker \"sync1\""
        ),
        "{said}"
    );
    let (one, two) = (
        worker("sync+1", 8081, "client", ""),
        worker("sync/1", 8082, "client", ""),
    );
    let (text, _) = imported(&[("h.yaml", MAIN), ("1.yaml", &one), ("2.yaml", &two)]);
    assert!(
        text.contains("\"sync_1\"") && text.contains("\"sync_1_2\""),
        "{text}"
    );
}

#[test]
fn the_clients_document_is_carried_over_as_far_as_it_can_be() {
    let main = format!(
        "{MAIN}public_baseurl: https://example.com/\ndefault_identity_server: https://vector.im\n\
         extra_well_known_client_content: {{a.b: {{c: [1, yes]}}, d: 1, e.f: null, g.h: {{i: null}}}}"
    );
    let (text, said) = imported(&[("h.yaml", &main)]);
    let client = &config(&text).sites[0].well_known.client;
    assert_eq!(
        client.identity_server.as_ref().unwrap().as_str(),
        "https://vector.im"
    );
    assert_eq!(
        serde_json::json!(client.extra),
        serde_json::json!({"a.b": {"c": [1, true]}})
    );
    for key in ["\"d\"", "\"e.f\"", "\"g.h\""] {
        let line = format!("left out: extra_well_known_client_content: {key}");
        assert!(said.contains(&line), "{key}: {said}");
    }
}

#[test]
fn tls_is_carried_over_where_synapse_has_it() {
    let main = "server_name: example.com\ntls_certificate_path: /tls/c.pem\ntls_private_key_path: /tls/k.pem\n\
                listeners: [{type: http, port: 8448, tls: true, resources: [{names: [client, federation]}]}]";
    let (text, said) = imported(&[("h.yaml", main)]);
    assert!(
        text.contains(
            "homeserver = { url = \"https://127.0.0.1:8448\", tls_name = \"example.com\" }"
        ),
        "{text}"
    );
    assert!(
        text.contains("certificates = [{ certificate = \"/tls/c.pem\", key = \"/tls/k.pem\" }]"),
        "{text}"
    );
    assert!(
        said.contains("port 8448 is wanted by Vestibule and by the main process"),
        "{said}"
    );
}

#[test]
fn an_old_authentication_service_is_found() {
    let main = format!(
        "{MAIN}experimental_features: {{msc3861: {{enabled: true, issuer: 'https://auth.example.com/', \
         introspection_endpoint: 'http://mas:8080/oauth2/introspect', client_secret: SECRET, admin_token: SECRET}}}}"
    );
    let (text, said) = imported(&[("h.yaml", &main)]);
    assert!(text.contains("mas = \"http://mas:8080\""), "{text}");
    assert!(
        said.contains("experimental_features.msc3861 is refused by Synapse 1.163"),
        "{said}"
    );
}

/// Names, the resources of the one listener, and the groups that they give.
const NAMES: [(&str, &str, &str); 13] = [
    ("sync-1", "client", "synchrotron"),
    (
        "matrix_initial_synchrotron2",
        "client",
        "initial_synchrotron",
    ),
    (
        "SlidingSync",
        "client",
        "synchrotron client_reader event_creator",
    ),
    ("sliding-sync", "client", "sliding_sync"),
    (
        "event_creator+user_dir1",
        "client",
        "event_creator user_dir",
    ),
    ("federation_reader", "federation", "federation_reader"),
    ("sso-login", "client", "sso_login"),
    ("media", "media", "media_repository"),
    ("anything", "client, federation", "generic_worker"),
    (
        "anything",
        "client",
        "synchrotron client_reader event_creator",
    ),
    (
        "anything",
        "federation",
        "federation_inbound federation_reader",
    ),
    ("pusher1", "client", ""),
    ("replicator", "replication", ""),
];

#[test]
fn names_tell_groups() {
    for (name, resources, expected) in NAMES {
        let file = worker(name, 8081, resources, "");
        let (text, _) = imported(&[("homeserver.yaml", MAIN), ("w.yaml", &file)]);
        let config = config(&text);
        let workers = config.sites[0].workers.iter();
        let groups = workers
            .flat_map(|worker| &worker.groups)
            .map(ToString::to_string);
        let groups = groups.collect::<Vec<_>>().join(" ");
        assert_eq!(groups, expected, "{name} with {resources}");
    }
}

#[test]
fn what_a_name_does_not_tell_is_told() {
    for (name, resources, expected) in [
        (
            "anything",
            "client, federation",
            "name other `groups` to keep it for them",
        ),
        (
            "federation_reader1",
            "client",
            "federation_reader, because on port 8081 it has no federation",
        ),
        (
            "typing1",
            "client",
            "worker \"typing1\" is named after typing, which the main process writes",
        ),
    ] {
        let file = worker(name, 8081, resources, "");
        let (_, said) = imported(&[("homeserver.yaml", MAIN), ("w.yaml", &file)]);
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}
