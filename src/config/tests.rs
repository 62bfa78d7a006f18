use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::matrix::Profile;

const MINIMAL: &str = "server_name = \"Example.com\"\nhomeserver = \"http://127.0.0.1:8008\"\n";

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    files
}

fn site(text: &str) -> Site {
    let config = Config::parse("test.toml", &format!("{MINIMAL}{text}"));
    config
        .unwrap_or_else(|problems| panic!("{problems}"))
        .sites
        .remove(0)
}

fn refused(text: &str) -> Diagnostics {
    Config::parse("test.toml", &format!("{MINIMAL}{text}")).unwrap_err()
}

#[test]
fn two_lines_are_complete() {
    let config = Config::parse("test.toml", MINIMAL).unwrap();
    let ports = config
        .listeners
        .iter()
        .map(|l| (l.address[0].port(), l.tls, l.profile));
    assert_eq!(
        ports.collect::<Vec<_>>(),
        [
            (Some(80), false, Profile::Redirect),
            (Some(443), true, Profile::Both),
            (Some(8448), true, Profile::Federation),
        ]
    );
    let site = &config.sites[0];
    assert_eq!(site.server_name.as_str(), "example.com");
    assert_eq!(
        site.well_known.client.base_url.as_str(),
        "https://example.com"
    );
    assert_eq!(site.max_upload_size.bytes(), 50 * 1024 * 1024);
    assert_eq!(config.limits.body_size.bytes(), 13_107_200);
    assert_eq!(config.state_folder, Path::new("/var/lib/vestibule"));
    assert_eq!(config.tls, Tls::default());
    assert!(matches!(config.tls.source, CertificateSource::Acme(_)));
}

#[test]
fn every_problem_of_an_invalid_file_is_told_with_its_place_and_remedy() {
    let folder = "tests/fixtures/config/invalid";
    for file in files(folder) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let surroundings = Surroundings {
            folder: folder.into(),
            check_files: name == "unreadable_files",
            ..Surroundings::default()
        };
        let shown = format!("{name}.toml");
        let problems = Config::parse_in(&shown, &text, &surroundings);
        let problems = problems.expect_err(name);
        insta::with_settings!({
            snapshot_path => "../../tests/fixtures/config/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, problems) });
    }
}

#[test]
fn every_example_loads() {
    let examples = files("config");
    assert!(examples.len() >= 6, "{examples:?}");
    for path in examples {
        let text = std::fs::read_to_string(&path).unwrap();
        // The files they name are on the machine of whoever uses them.
        let config = Config::parse(path.to_str().unwrap(), &text);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let shown = toml::to_string_pretty(&config).unwrap();
        let again = Config::parse("shown", &shown);
        let again = again.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(again.means_the_same(&config), "{path:?} shown as\n{shown}");
    }
}

#[test]
fn generated_files_are_fresh() {
    for (path, text, option) in [
        ("docs/CONFIG.md", markdown(), ""),
        ("config/reference.toml", reference_toml(), " --toml"),
    ] {
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == text,
            "{path} is stale, renew it: cargo run -- config reference{option} > {path}"
        );
    }
}

/// Every section at least once, mostly empty.
const EVERYWHERE: &str = "
    tls = { certificates = [{}], authorities = [{ external_account = {} }] }
    listeners = [{}]
    federation = { rules = [{}], lists = [{}], pinned_keys = [{}] }
    [[sites]]
    [[sites]]
    homeserver = {}
    workers = [{}, { upstream = {} }]
    groups = [{}]
    routes = [{ upstream = {} }]
    [[traffic.budgets]]
    [sites.well_known]
    client = {}
    policy_server = {}
    support = { contacts = [{}] }
";

#[test]
fn the_reader_asks_for_the_keys_of_the_schema() {
    let surroundings = Surroundings::default();
    let report = Report::new(&surroundings);
    for text in [EVERYWHERE, MINIMAL] {
        let source = Arc::new(Source {
            name: String::new(),
            text: text.to_owned(),
        });
        let _ = Config::read_text(text, &source, &report);
    }
    let (mut keys, mut required) = (BTreeSet::new(), BTreeSet::new());
    keys_of(&json_schema(), "", &mut keys, &mut required);
    let mut asked = report.asked.take();
    // Asked for only to tell what to write instead.
    asked.retain(|(_, key)| !key.starts_with("m."));
    asked.retain(|(path, _)| !is_site_at_top_level(path));
    keys.retain(|(path, _)| !is_site_at_top_level(path));
    assert_eq!(asked, keys);
    let mut missing = report.missing.take();
    missing.retain(|(path, _)| !is_site_at_top_level(path));
    required.retain(|(path, _)| !is_site_at_top_level(path));
    assert_eq!(missing, required);
}

/// The same keys as under `sites`, told and read by the same functions.
fn is_site_at_top_level(path: &str) -> bool {
    [
        "homeserver",
        "workers",
        "groups",
        "mas",
        "well_known",
        "routes",
    ]
    .contains(&path.split('.').next().unwrap())
}

type Keys = BTreeSet<(String, String)>;

fn keys_of(schema: &serde_json::Value, path: &str, keys: &mut Keys, required: &mut Keys) {
    for list in ["anyOf", "oneOf"] {
        for variant in schema[list].as_array().into_iter().flatten() {
            // "one site or several" and "exactly one action" name keys only.
            if variant.get("type").is_some() {
                keys_of(variant, path, keys, required);
            }
        }
    }
    if schema.get("items").is_some() {
        keys_of(&schema["items"], path, keys, required);
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (key, property) in properties {
            keys.insert((path.to_owned(), key.clone()));
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            keys_of(property, &below, keys, required);
        }
        let needed = schema["required"].as_array().into_iter().flatten();
        required.extend(needed.map(|key| (path.to_owned(), key.as_str().unwrap().to_owned())));
    }
}

#[test]
fn base_url_follows_the_delegation() {
    for (delegate, base_url) in [
        ("matrix.example.com:443", "https://matrix.example.com"),
        ("matrix.example.com", "https://matrix.example.com"),
        ("matrix.example.com:8448", "https://matrix.example.com"),
        ("matrix.example.com:9443", "https://matrix.example.com:9443"),
    ] {
        let site = site(&format!("delegate = \"{delegate}\"\n"));
        assert_eq!(site.well_known.client.base_url.as_str(), base_url);
    }
}

#[test]
fn free_form_keys_keep_their_shape() {
    let site = site(
        "[well_known.client]\n\"io.element.e2ee\" = { default = true, list = [1, 2.5, \"x\"] }\n\
         [well_known.server]\n\"org.example.x\" = -1\n",
    );
    let client = serde_json::to_string(&site.well_known.client.extra).unwrap();
    assert_eq!(
        client,
        r#"{"io.element.e2ee":{"default":true,"list":[1,2.5,"x"]}}"#
    );
    assert_eq!(site.well_known.server["org.example.x"], -1);
}

#[test]
fn a_site_answers_for_all_the_hosts_it_names() {
    let site = site(
        "hosts = [\"chat.example.com\"]\ndelegate = \"matrix.example.com:443\"\n\
         [[routes]]\npath = \"/\"\nhosts = [\"www.example.com\"]\nredirect = \"https://a.b\"\n",
    );
    let hosts: Vec<&str> = site.all_hosts().collect();
    let expected = [
        "example.com",
        "matrix.example.com",
        "chat.example.com",
        "www.example.com",
    ];
    assert_eq!(hosts, expected);
}

#[test]
fn addresses_that_differ_in_their_defaults_need_them_written() {
    let problems = refused("[[listeners]]\naddress = [\"*:80\", \"*:8443\"]\n");
    assert_eq!(problems.len(), 1, "{problems}");
    let config = Config::parse(
        "test.toml",
        &format!("{MINIMAL}[[listeners]]\naddress = [\"*:80\", \"*:8443\"]\nprofile = \"both\"\n"),
    );
    assert!(!config.unwrap().listeners[0].tls);
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.toml");
    std::fs::create_dir(folder.path().join("element")).unwrap();
    let route = "[[routes]]\npath = \"/\"\nfolder = \"element\"\n";
    std::fs::write(&path, format!("{MINIMAL}{route}")).unwrap();
    let config = Config::load(&path).unwrap();
    let Action::Folder { folder: served, .. } = &config.sites[0].routes[0].action else {
        panic!("{config:?}");
    };
    assert_eq!(**served, folder.path().join("element"));
}

#[test]
fn the_state_folder_comes_from_the_surroundings_unless_written() {
    let surroundings = Surroundings {
        state_folder: Some("/run/state".into()),
        ..Surroundings::default()
    };
    let config = Config::parse_in("test.toml", MINIMAL, &surroundings).unwrap();
    assert_eq!(config.state_folder, Path::new("/run/state"));
    let text = format!("state_folder = \"/srv\"\n{MINIMAL}");
    let config = Config::parse_in("test.toml", &text, &surroundings).unwrap();
    assert_eq!(config.state_folder, Path::new("/srv"));
}

#[test]
fn another_module_can_point_at_a_line() {
    let text = format!("{MINIMAL}hosts = [\"a.example.com\"]\n");
    let config = Config::parse("test.toml", &text).unwrap();
    let problem = Diagnostic::new("no certificate names it", config.sites[0].hosts[0].span());
    let problems = Diagnostics::new(config.source(), vec![problem]);
    let shown = problems.render(false);
    assert!(shown.contains("test.toml:3:10"), "{shown}");
    assert!(problems.render(true).contains("\u{1b}["));
}

#[test]
fn a_delegation_behind_another_proxy_is_not_judged() {
    let text = "delegate = \"example.com:9443\"\ntrusted_proxies = [\"10.0.0.1\"]\n";
    site(text);
    let mapped = "delegate = \"example.com:9443\"\n\
                  listeners = [{ address = \"*:10443\", tls = true }]\n";
    site(mapped);
}
