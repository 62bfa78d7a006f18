//! One YAML file of Synapse.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::node::Fault;

/// The keys that are kept. Everything else is passed over while the file is
/// parsed, secrets among it.
const KEYS: [&str; 28] = [
    "default_identity_server",
    "enable_media_repo",
    "experimental_features",
    "extra_well_known_client_content",
    "federation_domain_whitelist",
    "federation_sender_instances",
    "instance_map",
    "listeners",
    "matrix_authentication_service",
    "max_upload_size",
    "media_instance_running_background_jobs",
    "notify_appservices_from_worker",
    "public_baseurl",
    "pusher_instances",
    "run_background_tasks_on",
    "serve_server_wellknown",
    "server_name",
    "stream_writers",
    "tls_certificate_path",
    "tls_private_key_path",
    "update_user_directory_from_worker",
    "web_client_location",
    "worker_app",
    "worker_listeners",
    "worker_main_http_uri",
    "worker_name",
    "worker_replication_host",
    "worker_replication_http_port",
];

/// Of these keys only some parts are kept: there are secrets beside them.
const PARTS: [(&str, &[&str]); 2] = [
    ("matrix_authentication_service", &["enabled", "endpoint"]),
    ("experimental_features", &["msc3861"]),
];
const PARTS_OF_MSC3861: [&str; 3] = ["enabled", "issuer", "introspection_endpoint"];

/// What is kept of a file.
pub struct Document {
    name: String,
    keys: Map<String, Value>,
}

impl Document {
    /// Parses a file as Synapse does: `yes` is true, `<<` merges, and of a key
    /// that stands there twice the last one counts.
    ///
    /// The fault names the place, and nothing of what stands there.
    pub fn parse(name: &str, text: &str) -> Result<Self, Fault> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::LastWins,
            with_snippet: false,
        };
        let kept: Result<Kept, _> = serde_saphyr::from_str_with_options(text, options);
        let mut keys = kept.map_err(|error| not_yaml(name, error.location()))?.0;
        for (key, parts) in PARTS {
            keep_parts(&mut keys, key, parts);
        }
        if let Some(Value::Object(features)) = keys.get_mut("experimental_features") {
            keep_parts(features, "msc3861", &PARTS_OF_MSC3861);
        }
        Ok(Self {
            name: name.to_owned(),
            keys,
        })
    }

    /// The file, as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a key says, `null` where nothing stands behind it; `None` where it is missing.
    pub(super) fn key(&self, key: &str) -> Option<&Value> {
        self.keys.get(key)
    }
}

fn keep_parts(keys: &mut Map<String, Value>, key: &str, parts: &[&str]) {
    if let Some(Value::Object(section)) = keys.get_mut(key) {
        section.retain(|key, _| parts.contains(&key.as_str()));
    }
}

fn not_yaml(name: &str, location: Option<serde_saphyr::Location>) -> Fault {
    let place = location.map(|at| format!(", at line {} column {}", at.line(), at.column()));
    let message = format!(
        "this is not a YAML file of keys and values{}",
        place.unwrap_or_default()
    );
    Fault::of_file(name, message, "name a file that Synapse starts with")
}

/// The keys of a file that are kept.
struct Kept(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keeping)
    }
}

struct Keeping;

impl<'de> Visitor<'de> for Keeping {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kept, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if KEYS.contains(&key.as_str()) {
                kept.insert(key, entries.next_value()?);
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Kept(kept))
    }
}
