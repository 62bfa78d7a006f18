//! The configuration of a test: what it says, merged over what every test needs.

use std::path::Path;

/// Doors of the usual configuration, in the order of its listeners.
const BASE: &str = r#"
server_name = "example.com"
homeserver = "$homeserver"
hosts = ["matrix.example.com"]
tls = "internal"
state_folder = "$state"
threads = 2
self_check = false

[[listeners]]
address = "127.0.0.1:0"
tls = false
profile = "both"

[[listeners]]
address = "127.0.0.1:0"
tls = true
profile = "both"

[[listeners]]
address = "127.0.0.1:0"
tls = true
profile = "federation"

[[listeners]]
address = "127.0.0.1:0"
tls = false
profile = "redirect"

[access_log]
format = "json"
path = "$state/access.log"

[admin]
address = "127.0.0.1:0"
"#;

/// The site keys, which `[[sites]]` excludes.
const SITE_KEYS: [&str; 3] = ["server_name", "homeserver", "hosts"];

/// The whole text: `extra` over the usual one, tables merged, anything else
/// replaced, `$homeserver` and `$state` filled in.
pub(crate) fn text(extra: &str, homeserver: &str, state: &Path) -> String {
    let fill = |text: &str| {
        let state = state.display().to_string();
        text.replace("$homeserver", homeserver)
            .replace("$state", &state)
    };
    let mut base: toml::Table = fill(BASE).parse().unwrap();
    let extra: toml::Table = fill(extra).parse().unwrap();
    if extra.contains_key("sites") {
        base.retain(|key, _| !SITE_KEYS.contains(&key));
    }
    merge(&mut base, extra);
    toml::to_string(&base).unwrap()
}

fn merge(base: &mut toml::Table, extra: toml::Table) {
    for (key, value) in extra {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            // A table in place of a word, such as `[tls]`, replaces it.
            (_, value) => drop(base.insert(key, value)),
        }
    }
}
