//! What no compiler checks about this repository: the size of files, who may
//! use whom, and that what is written for people is true and can be found.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in helpers too"
)]

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/page.rs"]
mod page;
#[path = "tidy/source.rs"]
mod source;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use files::{everything, files_below, files_with, has_extension, name, read, root};
use page::{links, pages, toml_blocks};
use source::{is_start_of_path, sources, used_modules};
use vestibule::config::Config;

/// A longer file holds two things that want two names.
const LINES_OF_A_FILE: usize = 500;
/// A longer README is not read.
const LINES_OF_THE_README: usize = 200;

/// Which modules each module may use. Only the program itself uses `cli`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("matrix", &[]),
    ("message", &[]),
    ("config", &["matrix"]),
    ("migrate", &["config", "matrix"]),
    ("synapse", &["config", "matrix"]),
    ("policy", &["matrix", "message"]),
    ("route", &["matrix", "message", "policy"]),
    ("telemetry", &["matrix"]),
    ("listen", &["matrix", "message", "telemetry"]),
    ("acme", &["listen", "telemetry"]),
    (
        "lists",
        &[
            "listen",
            "matrix",
            "message",
            "policy",
            "telemetry",
            "upstream",
        ],
    ),
    ("upstream", &["matrix", "message", "policy", "telemetry"]),
    ("traffic", &["matrix", "policy"]),
    (
        "keys",
        &["matrix", "message", "policy", "telemetry", "upstream"],
    ),
    (
        "snapshot",
        &[
            "config", "keys", "listen", "matrix", "policy", "route", "traffic", "upstream",
        ],
    ),
    (
        "proxy",
        &[
            "keys",
            "listen",
            "matrix",
            "message",
            "policy",
            "route",
            "snapshot",
            "telemetry",
            "traffic",
            "upstream",
        ],
    ),
    ("federation", &["config", "matrix", "message"]),
    (
        "admin",
        &[
            "federation",
            "listen",
            "lists",
            "matrix",
            "message",
            "snapshot",
            "telemetry",
            "traffic",
            "upstream",
        ],
    ),
    (
        "runtime",
        &[
            "acme",
            "admin",
            "config",
            "federation",
            "listen",
            "lists",
            "matrix",
            "policy",
            "proxy",
            "route",
            "snapshot",
            "telemetry",
            "upstream",
        ],
    ),
    (
        "cli",
        &[
            "acme",
            "admin",
            "config",
            "federation",
            "listen",
            "matrix",
            "message",
            "migrate",
            "policy",
            "proxy",
            "route",
            "runtime",
            "snapshot",
            "synapse",
            "telemetry",
            "upstream",
        ],
    ),
];

/// The modules that know the engine. The rest could serve another one.
const KNOWS_THE_ENGINE: &[&str] = &["admin", "listen", "proxy", "runtime", "upstream"];

/// Modules of pure functions over data: what they answer depends on what they
/// are given, so a table of inputs tests them.
const PURE: &[&str] = &["matrix", "message", "migrate", "policy", "route", "synapse"];
const IMPURE: &[&str] = &[
    "async ",
    ".await",
    "tokio::",
    "std::fs",
    "std::net::Tcp",
    "Instant::now",
    "SystemTime::now",
];

/// Names of files that say nothing of what is in them.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helpers", "types", "manager", "misc",
];

#[test]
fn no_source_file_is_long() {
    let long = sources().into_iter().filter_map(|source| {
        let lines = source.program.lines().count();
        (lines > LINES_OF_A_FILE).then(|| format!("{}: {lines} lines", source.name))
    });
    assert_none("are too long: split them by what they are about", long);
}

#[test]
fn modules_use_each_other_in_one_direction_only() {
    let offences = sources().into_iter().flat_map(|source| {
        let allowed = MAY_USE.iter().find(|(module, _)| *module == source.module);
        let (_, allowed) = allowed.copied().unwrap_or((&source.module, &[]));
        let is_root = source.module == "lib" || source.module == "main";
        used_modules(&source.code())
            .into_iter()
            .filter(|used| !is_root && *used != source.module && !allowed.contains(&used.as_str()))
            .map(|used| format!("{} uses {used}", source.name))
            .collect::<Vec<_>>()
    });
    assert_none(
        "use what they may not (the table is in tests/tidy.rs)",
        offences,
    );
}

#[test]
fn every_module_is_in_the_table_of_who_may_use_whom() {
    let known: HashSet<_> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let unknown = sources().into_iter().filter_map(|source| {
        let is_root = source.module == "lib" || source.module == "main";
        (!is_root && !known.contains(source.module.as_str())).then_some(source.name)
    });
    assert_none(
        "belong to a module that tests/tidy.rs does not know",
        unknown,
    );
}

#[test]
fn the_engine_is_known_in_few_modules_only() {
    let offences = sources().into_iter().filter_map(|source| {
        let code = source.code();
        let knows = ["pingora::", "pingora_"].iter().any(|name| {
            code.match_indices(name)
                .any(|(at, _)| is_start_of_path(&code, at))
        });
        (knows && !KNOWS_THE_ENGINE.contains(&source.module.as_str())).then_some(source.name)
    });
    assert_none("know pingora", offences);
}

#[test]
fn only_proxy_answers_requests() {
    let offences = sources().into_iter().filter_map(|source| {
        (source.module != "proxy" && source.code().contains("ProxyHttp for")).then_some(source.name)
    });
    assert_none("implement ProxyHttp", offences);
}

#[test]
fn pure_modules_neither_wait_nor_look_at_the_clock() {
    let offences = sources().into_iter().flat_map(|source| {
        let code = source.code();
        let is_pure = PURE.contains(&source.module.as_str());
        let found = IMPURE
            .iter()
            .filter(|word| is_pure && code.contains(**word))
            .map(|word| format!("{} has `{}`", source.name, word.trim()));
        found.collect::<Vec<_>>()
    });
    assert_none("are in a pure module and are not pure", offences);
}

#[test]
fn files_are_named_after_what_is_in_them() {
    let offences = sources().into_iter().filter_map(|source| {
        Path::new(&source.name)
            .with_extension("")
            .components()
            .any(|part| EMPTY_NAMES.iter().any(|name| part.as_os_str() == *name))
            .then_some(source.name)
    });
    assert_none("need a name that says what is in them", offences);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimplem", "ented!"),
        concat!("XX", "X:"),
    ];
    assert_none("have a mark of unfinished work", files_with(&marks));
}

#[test]
fn nothing_points_out_of_the_repository() {
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("shared/", "reference"),
        concat!("../", "shared"),
    ];
    assert_none("name a place that is not in a clone", files_with(&places));
}

#[test]
fn the_readme_is_short() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(
        lines < LINES_OF_THE_README,
        "README.md has {lines} lines; move the rest into docs/"
    );
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(
        read(&root().join("CHANGELOG.md")).contains(&heading),
        "CHANGELOG.md has no heading {heading}"
    );
}

#[test]
fn every_document_can_be_found_from_the_readme_or_the_architecture() {
    let linked: HashSet<PathBuf> = ["README.md", "docs/ARCHITECTURE.md"]
        .iter()
        .flat_map(|page| links(&root().join(page)))
        .filter_map(|link| link.path.canonicalize().ok())
        .collect();
    let offences = files_below("docs")
        .into_iter()
        .filter(|file| has_extension(file, "md") && !linked.contains(&file.canonicalize().unwrap()))
        .map(|file| name(&file));
    assert_none(
        "are linked from neither README.md nor docs/ARCHITECTURE.md",
        offences,
    );
}

#[test]
fn every_example_configuration_is_introduced_somewhere() {
    let documents: String = pages().iter().map(|page| read(page)).collect();
    let offences = files_below("config")
        .into_iter()
        .filter(|file| has_extension(file, "toml"))
        .map(|file| name(&file))
        .filter(|file| !documents.contains(file));
    assert_none("are named in no document", offences);
}

#[test]
fn every_configuration_shown_in_a_document_is_right() {
    let offences = pages().into_iter().flat_map(|page| {
        let blocks = toml_blocks(&page).into_iter();
        // Others show a part, or another program's file.
        let whole = blocks.filter(|block| block.contains("server_name = "));
        whole
            .filter_map(|block| Config::parse(&name(&page), &block).err())
            .map(|problems| problems.render(false))
            .collect::<Vec<_>>()
    });
    assert_none("are wrong configurations in documents", offences);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let offences = pages().into_iter().flat_map(|page| {
        let broken = links(&page)
            .into_iter()
            .filter(|link| !link.leads_somewhere());
        broken
            .map(|link| format!("{}: {}", name(&page), link.written))
            .collect::<Vec<_>>()
    });
    assert_none("are broken links", offences);
}

#[test]
fn scripts_can_be_run() {
    let offences = everything().into_iter().filter_map(|file| {
        let is_script = fs::read(&file).unwrap().starts_with(b"#!");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        (is_script && mode & 0o111 == 0).then(|| name(&file))
    });
    assert_none("are scripts and not executable", offences);
}

fn assert_none(what: &str, offences: impl IntoIterator<Item = String>) {
    let mut offences: Vec<_> = offences.into_iter().collect();
    offences.sort();
    assert!(
        offences.is_empty(),
        "these {what}:\n  {}\n",
        offences.join("\n  ")
    );
}
