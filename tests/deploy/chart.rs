//! The Helm chart, rendered by Helm with the values of `values/`, and taken by Kubernetes' own schemas.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use vestibule::config::Config;

use crate::machine::{PROGRAM, in_repository, python, run, said};

/// Where the chart has certificates mounted.
const SECRETS: &str = "/run/secrets/vestibule";

/// What came of one values file.
struct Rendered {
    name: String,
    objects: Vec<Value>,
}

impl Rendered {
    fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |it| it["kind"] == kind)
    }

    fn pod(&self) -> &Value {
        &self.of("Deployment").next().unwrap()["spec"]["template"]["spec"]
    }

    /// The configuration, where the chart writes one.
    fn configuration(&self) -> Option<&str> {
        self.of("ConfigMap").next()?["data"]["vestibule.toml"].as_str()
    }
}

/// All of them, rendered once for all tests; `None` where this machine cannot.
static CHART: LazyLock<Option<Vec<Rendered>>> = LazyLock::new(render);

fn render() -> Option<Vec<Rendered>> {
    let python = python()?;
    let folder = tempfile::tempdir().unwrap();
    let files = [
        "tests/deploy/chart.py",
        "deploy/helm/vestibule",
        "tests/deploy/values",
        "tests/deploy/refused_values.yaml",
    ];
    let arguments = files.map(in_repository);
    let output = run(
        python,
        arguments
            .iter()
            .map(PathBuf::as_path)
            .chain([folder.path()]),
    );
    assert!(output.status.success(), "{}", said(&output));
    let files = fs::read_dir(folder.path()).unwrap();
    let read = |path: PathBuf| Rendered {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        objects: serde_json::from_slice(&fs::read(path).unwrap()).unwrap(),
    };
    Some(files.map(|it| read(it.unwrap().path())).collect())
}

/// What has this name in a list.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let list = list.as_array().unwrap();
    list.iter().find(|it| it["name"] == name).unwrap()
}

#[test]
fn helm_and_kubernetes_take_the_chart() {
    let Some(chart) = &*CHART else { return };
    let values = fs::read_dir(in_repository("tests/deploy/values")).unwrap();
    assert_eq!(chart.len(), values.count());
    let kinds = |name: &str| {
        let rendered = chart.iter().find(|it| it.name == name).unwrap();
        let mut kinds: Vec<_> = rendered
            .objects
            .iter()
            .map(|it| it["kind"].as_str().unwrap())
            .collect();
        kinds.sort_unstable();
        kinds.join(" ")
    };
    assert_eq!(
        kinds("default"),
        "ConfigMap Deployment HorizontalPodAutoscaler NetworkPolicy PodDisruptionBudget Service Service ServiceAccount"
    );
    assert_eq!(
        kinds("fixed_replicas"),
        "ConfigMap Deployment Service Service"
    );
    assert!(kinds("everything").contains("ServiceMonitor"));
    assert!(kinds("cert_manager").contains("Certificate"));
    assert!(!kinds("existing_secret").contains("ConfigMap"));
}

#[test]
fn every_configuration_is_right() {
    let Some(chart) = &*CHART else { return };
    let folder = tempfile::tempdir().unwrap();
    for rendered in chart {
        let Some(text) = rendered.configuration() else {
            continue;
        };
        // As if mounted here.
        for mount in rendered.pod()["containers"][0]["volumeMounts"]
            .as_array()
            .unwrap()
        {
            if let Some(name) = mount["mountPath"].as_str().unwrap().strip_prefix(SECRETS) {
                write_secret(&folder.path().join(name.trim_start_matches('/')));
            }
        }
        let file = folder.path().join(format!("{}.toml", rendered.name));
        fs::write(
            &file,
            text.replace(SECRETS, folder.path().to_str().unwrap()),
        )
        .unwrap();
        let output = run(PROGRAM, [Path::new("config"), Path::new("check"), &file]);
        assert!(
            output.status.success(),
            "{}: {}\n{text}",
            rendered.name,
            said(&output)
        );
    }
}

fn write_secret(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["example.com".to_owned()]).unwrap();
    fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
    fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("secret"), [7; 64]).unwrap();
}

#[test]
fn services_lead_to_listeners() {
    let Some(chart) = &*CHART else { return };
    for rendered in chart {
        let services = rendered.of("Service");
        let ports = services.flat_map(|it| it["spec"]["ports"].as_array().unwrap());
        let open = &rendered.pod()["containers"][0]["ports"];
        for port in ports {
            let target = named(open, port["targetPort"].as_str().unwrap());
            let listening = format!("address = \"*:{}\"", target["containerPort"]);
            let text = rendered.configuration().unwrap_or(&listening);
            assert!(text.contains(&listening), "{}: {port}", rendered.name);
        }
    }
}

#[test]
fn pods_are_restricted() {
    let Some(chart) = &*CHART else { return };
    for rendered in chart {
        let pod = rendered.pod();
        let container = &pod["containers"][0]["securityContext"];
        // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(
            container["capabilities"],
            serde_json::json!({ "drop": ["ALL"] })
        );
        let kinds = ["configMap", "secret", "emptyDir"];
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(
                kinds.iter().any(|kind| volume.get(kind).is_some()),
                "{volume}"
            );
        }
        for forbidden in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod.get(forbidden).is_none());
        }
        // And beyond.
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(pod["automountServiceAccountToken"], false);
    }
}

#[test]
fn pods_have_time_to_drain() {
    let Some(chart) = &*CHART else { return };
    for rendered in chart {
        let Some(text) = rendered.configuration() else {
            continue;
        };
        let pod = rendered.pod();
        let wait = &pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
        let drain = Config::parse("rendered", text)
            .unwrap()
            .timeouts
            .drain
            .duration();
        let needed = wait.as_u64().unwrap() + drain.as_secs();
        let given = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(
            given > needed,
            "{}: {given} s for {needed} s",
            rendered.name
        );
    }
}

#[test]
fn whatever_selects_pods_selects_ours() {
    let Some(chart) = &*CHART else { return };
    for rendered in chart {
        let deployment = &rendered.of("Deployment").next().unwrap()["spec"];
        let labels: HashMap<String, String> =
            serde_json::from_value(deployment["template"]["metadata"]["labels"].clone()).unwrap();
        let selectors = rendered
            .objects
            .iter()
            .flat_map(|it| match it["kind"].as_str() {
                Some("Service") => vec![&it["spec"]["selector"]],
                Some("Deployment" | "PodDisruptionBudget") => {
                    vec![&it["spec"]["selector"]["matchLabels"]]
                }
                Some("NetworkPolicy") => vec![&it["spec"]["podSelector"]["matchLabels"]],
                _ => Vec::new(),
            });
        for selector in selectors {
            let selector: HashMap<String, String> =
                serde_json::from_value(selector.clone()).unwrap();
            assert!(!selector.is_empty());
            assert!(
                selector
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value)),
                "{selector:?}"
            );
        }
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let chart = fs::read_to_string(in_repository("deploy/helm/vestibule/Chart.yaml")).unwrap();
    let version = format!("appVersion: \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(
        chart.contains(&version),
        "Chart.yaml does not say {version}"
    );
}
