use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::config::Config;

/// The configurations of another proxy that real ones accept, in the folder of its name.
fn fixtures(origin: Origin) -> impl Iterator<Item = (String, File)> {
    let names: &[&str] = match origin {
        Origin::Nginx => &[
            "synapse",
            "workers",
            "certbot",
            "behind-traefik",
            "everything-wrong",
            "proxy-protocol",
        ],
        Origin::Apache => &["synapse", "certbot", "workers", "everything-wrong"],
    };
    names.iter().map(move |name| {
        let path = format!("{name}.conf");
        (
            format!("{}/{name}", folder(origin)),
            file(origin, &path).unwrap(),
        )
    })
}

fn folder(origin: Origin) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!("{root}/tests/fixtures/{}", origin.as_str())
}

fn file(origin: Origin, name: &str) -> Result<File, String> {
    let path = Path::new(&folder(origin)).join(name.trim_start_matches("/etc/proxy/"));
    let text = std::fs::read_to_string(path).map_err(|_| "it is not there".to_owned())?;
    let name = name.to_owned();
    Ok(File { name, text })
}

fn imported(origin: Origin, main: &File) -> Result<Imported, Fault> {
    let mut open = |name: &str| Ok(vec![file(origin, name)?]);
    let hints = Hints {
        server_name: None,
        prefix: "/etc/proxy".into(),
    };
    import(origin, std::slice::from_ref(main), &mut open, &hints)
}

fn text_imported(origin: Origin, text: &str) -> Result<Imported, Fault> {
    let text = text.to_owned();
    let name = "site.conf".to_owned();
    imported(origin, &File { name, text })
}

const ORIGINS: [Origin; 2] = [Origin::Nginx, Origin::Apache];

/// What is written next to each fixture is what was read by a person once; renewed by
/// `UPDATE_REFERENCE=1 cargo test --lib migrate`.
#[test]
fn every_fixture_becomes_what_stands_beside_it() {
    for (origin, path, main) in all() {
        let imported = imported(origin, &main).unwrap();
        Config::parse(&path, &imported.text).unwrap_or_else(|p| panic!("{}", p.render(false)));
        let remarks: Vec<String> = imported.remarks.iter().map(ToString::to_string).collect();
        let files = [
            (format!("{path}.toml"), imported.text),
            (format!("{path}.remarks"), remarks.join("\n") + "\n"),
        ];
        for (file, fresh) in files {
            if std::env::var_os("UPDATE_REFERENCE").is_some() {
                std::fs::write(&file, &fresh).unwrap();
            }
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(
                kept, fresh,
                "{file}; renew: UPDATE_REFERENCE=1 cargo test --lib migrate"
            );
        }
    }
}

fn all() -> impl Iterator<Item = (Origin, String, File)> {
    let of = |origin| fixtures(origin).map(move |(path, main)| (origin, path, main));
    ORIGINS.into_iter().flat_map(of)
}

/// Counted by other means than those of the parser.
fn directives(origin: Origin, text: &str) -> usize {
    match origin {
        Origin::Nginx => {
            let ignored = Regex::new(r#"(?m)^\s*#.*$|\s#.*$|'[^']*'|"[^"]*""#).unwrap();
            let text = ignored.replace_all(text, "x");
            let values = Regex::new(r"(map|types)([^{;]*)\{[^}]*\}").unwrap();
            let text = values.replace_all(&text, "$1$2;");
            text.matches([';', '{']).count()
        }
        Origin::Apache => {
            let text = text.replace("\\\n", "");
            let lines = text.lines().map(str::trim);
            let is_one =
                |line: &&str| !(line.is_empty() || line.starts_with('#') || line.starts_with("</"));
            lines.filter(is_one).count()
        }
    }
}

#[test]
fn every_directive_is_in_exactly_one_list() {
    for (origin, path, main) in all() {
        let remarks = imported(origin, &main).unwrap().remarks;
        let about_directives = remarks.iter().filter(|remark| remark.kind != Kind::Warning);
        let of_file =
            |remark: &&Remark| remark.place.as_ref().is_some_and(|p| *p.file == *main.name);
        let listed = about_directives.clone().filter(of_file).count();
        assert_eq!(listed, directives(origin, &main.text), "{path}");
        assert!(
            about_directives
                .clone()
                .all(|remark| !remark.directive.is_empty())
        );
        let left = remarks.iter().filter(|remark| remark.kind == Kind::Left);
        assert!(left.clone().all(|remark| remark.help.is_some()), "{path}");
    }
}

#[test]
fn what_is_not_known_is_left_out_and_not_lost() {
    let text = "frobnicate on; server { listen 443 ssl; server_name a.test; wibble { wobble 1; }
                location /_matrix { proxy_pass http://127.0.0.1:8008; } }";
    let remarks = text_imported(Origin::Nginx, text).unwrap().remarks;
    let left: HashSet<&str> = remarks
        .iter()
        .filter(|remark| remark.message == "there is nothing like it here")
        .map(|remark| remark.directive.as_str())
        .collect();
    assert_eq!(left, HashSet::from(["frobnicate on", "wibble", "wobble 1"]));
}

#[test]
fn no_secret_of_a_header_comes_out_again() {
    for (origin, path, main) in all() {
        let imported = imported(origin, &main).unwrap();
        let remarks: Vec<String> = imported.remarks.iter().map(ToString::to_string).collect();
        let all = imported.text + &remarks.join("\n");
        assert!(!all.contains("c2VjcmV0"), "{path}");
    }
}

#[test]
fn every_fault_that_is_named_is_one_of_check() {
    let page = include_str!("../../docs/CHECK.md");
    let id = Regex::new(r"\(([a-z_]+(?:\.[a-z_]+)+)\)").unwrap();
    let mut named = HashSet::new();
    for (origin, _, main) in all() {
        for remark in imported(origin, &main).unwrap().remarks {
            let found = id.captures_iter(&remark.message);
            named.extend(found.map(|found| found[1].to_owned()));
        }
    }
    assert!(named.len() >= 10, "{named:?}");
    for id in named {
        assert!(page.contains(&format!("### `{id}`\n")), "{id}");
    }
}

#[test]
fn what_names_no_homeserver_is_refused() {
    for text in [
        "",
        "server { listen 80; location / { return 404; } }",
        "# nothing",
    ] {
        let fault = text_imported(Origin::Nginx, text).unwrap_err();
        assert_eq!(
            fault.message, "no rule passes /_matrix on to a homeserver",
            "{text}"
        );
    }
}

#[test]
fn a_broken_file_is_refused_with_its_line() {
    for (text, line, message) in [
        (
            "server {\n listen 80;\n",
            3,
            "a \"}\" is missing at the end",
        ),
        ("server {\n}\n}", 3, "a \"}\" too many"),
        ("a 'b\n", 2, "a quote is not closed"),
        ("a {\n b }", 2, "a \";\" is missing before \"}\""),
        ("a\n b", 2, "a \";\" is missing at the end"),
        (";", 1, "a directive without a name"),
    ] {
        let fault = text_imported(Origin::Nginx, text).unwrap_err();
        let place = fault.place.unwrap();
        assert_eq!((place.line, &*fault.message), (line, message), "{text}");
    }
}

#[test]
fn files_that_include_each_other_end() {
    let main = File {
        name: "a".into(),
        text: "include a;".into(),
    };
    let mut open = |_: &str| Ok(vec![main.clone()]);
    let fault = import(
        Origin::Nginx,
        std::slice::from_ref(&main),
        &mut open,
        &Hints::default(),
    );
    assert_eq!(
        fault.unwrap_err().message,
        "no rule passes /_matrix on to a homeserver"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        for origin in ORIGINS {
            let _ = text_imported(origin, &text);
        }
    }

    /// Words of configurations in any order: what is written is always a configuration of ours.
    #[test]
    fn no_words_make_a_wrong_configuration(words in proptest::collection::vec(word(), 0..60)) {
        let text = format!(
            "server {{ listen 443 ssl; server_name a.test; \
             location /_matrix {{ proxy_pass http://[::1]:8008; }} {} }}",
            words.concat()
        );
        if let Ok(imported) = text_imported(Origin::Nginx, &text) {
            let parsed = Config::parse("any", &imported.text);
            let told = parsed.err().map(|problems| problems.render(false));
            prop_assert_eq!(told, None, "{}", imported.text);
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    let whole = prop_oneof![
        Just("listen 80;"),
        Just("listen [::]:8448 ssl proxy_protocol;"),
        Just("listen unix:/run/a.sock proxy_protocol;"),
        Just("listen 127.0.0.1;"),
        Just("server_name b.test a.test;"),
        Just("location = / { return 301 https://c.test/; }"),
        Just("location /a/ { proxy_pass http://d.test/; }"),
        Just("location /a { alias /srv; }"),
        Just("location /%41 { alias /srv; }"),
        Just("location / { root /srv; }"),
        Just("location ~ ^/_matrix/client { proxy_pass http://e.test:1; }"),
        Just(
            "location /.well-known/matrix/server { return 200 '{\"m.server\":\"b.test:443\",\"a\":1}'; }"
        ),
        Just(
            "location /.well-known/matrix/client { return 200 '{\"m.homeserver\":{\"base_url\":\"x\"},\"a.b\":null}'; }"
        ),
        Just("location /.well-known/matrix/support { return 200 '{\"contacts\":[{}]}'; }"),
        Just(
            "location /_synapse/admin { allow 10.0.0.0/8; allow x; deny all; proxy_pass http://[::1]:8008; }"
        ),
        Just("client_max_body_size 0;"),
        Just("client_max_body_size 99999999999g;"),
        Just("proxy_read_timeout 1h30m;"),
        Just("add_header Strict-Transport-Security 'max-age=99999999999999';"),
        Just("set_real_ip_from 10.0.0.0/33; "),
        Just("set_real_ip_from unix:;"),
        Just("ssl_certificate a; ssl_certificate_key b;"),
        Just("access_log off;"),
        Just("access_log '\\n';"),
        Just("} server { listen 443; server_name f.test;"),
    ];
    whole.prop_map(str::to_owned)
}
