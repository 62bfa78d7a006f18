//! The compose file: valid, and of one mind with the configurations beside it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vestibule::config::Config;

use crate::machine::{PROGRAM, in_repository, python, run, said};

/// The compose file as JSON, once it is valid.
fn composed() -> Option<Value> {
    let python = python()?;
    let files = [
        "tests/deploy/compose_file.py",
        "deploy/compose/compose.yaml",
    ];
    let output = run(python, files.map(in_repository));
    assert!(output.status.success(), "{}", said(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().unwrap().iter();
    words.map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn the_compose_file_is_valid_and_complete() {
    let Some(composed) = composed() else { return };
    let services = composed["services"].as_object().unwrap();
    let names: Vec<_> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["vestibule", "synapse", "postgres"]);
    for service in services.values() {
        let (_, version) = service["image"].as_str().unwrap().rsplit_once(':').unwrap();
        assert_ne!(version, "latest");
        for volume in words(&service["volumes"]) {
            let (source, _) = volume.split_once(':').unwrap();
            if source.starts_with("./") {
                assert!(
                    in_repository("deploy/compose").join(source).exists(),
                    "{source}"
                );
            } else {
                assert!(composed["volumes"].get(source).is_some(), "{source}");
            }
        }
    }
}

#[test]
fn the_ports_are_those_of_the_configuration() {
    let Some(composed) = composed() else { return };
    let config = Config::load(&in_repository("deploy/compose/vestibule.toml")).unwrap();
    let listens = config.listeners.iter().flat_map(|it| &it.address);
    let listens: Vec<_> = listens.map(|it| it.to_string().replace("*:", "")).collect();
    let service = &composed["services"]["vestibule"];
    let ports: Vec<_> = words(&service["ports"])
        .into_iter()
        .map(|it| it.split_once(':').unwrap().1)
        .collect();
    assert_eq!(ports, listens);
    let grace = service["stop_grace_period"].as_str().unwrap();
    let grace = Duration::from_secs(grace.trim_end_matches('s').parse().unwrap());
    assert!(grace > config.timeouts.drain.duration());
}

#[test]
fn vestibule_and_synapse_agree() {
    let folder = tempfile::tempdir().unwrap();
    let homeserver = folder.path().join("homeserver.yaml");
    // What Synapse's own file begins with, once it is generated.
    let generated = "server_name: example.com\nreport_stats: false\n";
    let ours = fs::read_to_string(in_repository("deploy/compose/synapse.yaml")).unwrap();
    fs::write(&homeserver, format!("{generated}{ours}")).unwrap();
    let configuration = in_repository("deploy/compose/vestibule.toml");
    let arguments = [
        Path::new("config"),
        Path::new("check"),
        &configuration,
        Path::new("--synapse"),
        &homeserver,
    ];
    let output = run(PROGRAM, arguments);
    assert!(output.status.success(), "{}", said(&output));
}
