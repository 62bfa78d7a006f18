//! A configuration for others to read: every default filled in, nothing secret.

use toml::Value;

use super::Config;

/// What stands in place of a secret.
const HIDDEN: &str = "…";

/// How the names of keys end that hold a secret, and not the file that has it.
const SECRET: [&str; 6] = [
    "token",
    "secret",
    "password",
    "passphrase",
    "mac_key",
    "private_key",
];

impl Config {
    /// The configuration as TOML with every default, for whoever may look and not own.
    ///
    /// Secrets are written in files, whose paths are shown. What is hidden is the id of an
    /// external account, whatever has the name of a secret, and user names in URLs.
    pub fn shown(&self) -> String {
        let table = toml::Table::try_from(self).map(|mut table| {
            hide_in(&mut table);
            table
        });
        let text = table.and_then(|table| toml::to_string_pretty(&table));
        text.unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }
}

fn hide_in(table: &mut toml::Table) {
    for (key, value) in table.iter_mut() {
        let is_account = key == "external_account";
        if SECRET.iter().any(|end| key.ends_with(end)) {
            *value = HIDDEN.into();
        }
        hide(value);
        if let (true, Some(id)) = (is_account, value.get_mut("id")) {
            *id = HIDDEN.into();
        }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Table(table) => hide_in(table),
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::String(text) => {
            if let Some(shown) = without_user(text) {
                *text = shown;
            }
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// The URL without who asks; `None` where it names nobody.
fn without_user(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, host) = authority.rsplit_once('@')?;
    let path = rest.get(authority.len()..)?;
    Some(format!("{scheme}://{HIDDEN}@{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_whole_but_for_secrets() {
        let text = "server_name = \"example.com\"\nhomeserver = \"http://127.0.0.1:8008\"\n\
             [admin]\ntoken_file = \"/etc/token\"\n\
             [tls]\nsource = \"acme\"\n\
             [[tls.authorities]]\ndirectory = \"https://ca.test/dir\"\n\
             external_account = { id = \"planted\", key_file = \"/etc/key\" }\n\
             [well_known.client]\n\
             \"org.test\" = { api_token = \"planted\", url = \"https://planted:x@a.test/b@c\" }\n";
        let config = Config::parse("test", text);
        let shown = config
            .unwrap_or_else(|e| panic!("{}", e.render(false)))
            .shown();
        assert!(!shown.contains("planted"), "{shown}");
        for kept in [
            "token_file = \"/etc/token\"",
            "key_file = \"/etc/key\"",
            "id = \"…\"",
            "api_token = \"…\"",
            "https://…@a.test/b@c",
            "connections_per_address",
        ] {
            assert!(shown.contains(kept), "{kept}\n{shown}");
        }
    }

    #[test]
    fn other_urls_are_left_alone() {
        for url in [
            "https://a.test/@b",
            "unix:/run/a@b",
            "a@b",
            "https://a.test?x=1@2",
        ] {
            assert_eq!(without_user(url), None, "{url}");
        }
    }
}
