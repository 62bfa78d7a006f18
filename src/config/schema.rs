//! The JSON schema of the file: from the types, then brought to the shape that
//! operators write (`config schema`, editors, the reference).

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::Config;
use super::site::Site;

/// The keys that a section needs; everything else may be left out.
const REQUIRED: [(&str, &[&str]); 20] = [
    ("sites", &["server_name", "homeserver"]),
    ("sites.homeserver", &["url"]),
    ("sites.workers", &["name", "upstream", "groups"]),
    ("sites.workers.upstream", &["url"]),
    ("sites.groups", &["name"]),
    ("sites.mas", &["url"]),
    ("sites.routes", &["path"]),
    ("sites.routes.upstream", &["url"]),
    ("sites.well_known.policy_server", &["ed25519"]),
    ("sites.well_known.support.contacts", &["role"]),
    ("listeners", &["address"]),
    ("federation.rules", &["name", "action"]),
    ("federation.lists", &["name"]),
    ("federation.pinned_keys", &["origin", "key_id", "key"]),
    ("tls", &["source"]),
    ("tls.certificates", &["certificate", "key"]),
    ("tls.authorities", &["directory"]),
    ("tls.authorities.external_account", &["id", "key_file"]),
    ("traffic.budgets", &["name"]),
    ("", &[]),
];

/// The JSON schema of a configuration file.
pub fn json_schema() -> Value {
    let mut root = raw::<Config>();
    let mut site = raw::<Site>();
    if let (Some(root), Some(site)) = (properties(&mut root), properties(&mut site)) {
        // One site may stand at top level; its keys come first, as they are written.
        let rest = std::mem::take(root);
        root.append(site);
        root.extend(rest);
    }
    tidy(&mut root, "");
    if let Some(root) = root.as_object_mut() {
        root.insert("title".into(), json!("Vestibule configuration"));
        root.remove("description");
        let one = json!({ "required": ["server_name", "homeserver"] });
        root.insert("anyOf".into(), json!([one, { "required": ["sites"] }]));
    }
    root
}

/// The keys without which the section at `path` means nothing.
pub(super) fn required(path: &str) -> &'static [&'static str] {
    let of_site = |entry: &str| entry.strip_prefix("sites.") == Some(path);
    let entry = REQUIRED
        .iter()
        .find(|(entry, _)| *entry == path || of_site(entry));
    entry.map_or(&[], |(_, keys)| keys)
}

fn raw<T: JsonSchema>() -> Value {
    // Written out in place, so that a path of keys leads to a key's schema.
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn properties(schema: &mut Value) -> Option<&mut Map<String, Value>> {
    schema.get_mut("properties")?.as_object_mut()
}

/// Sets what may be left out, closes tables against unknown keys, and joins the
/// lines of the doc comments.
fn tidy(schema: &mut Value, path: &str) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = joined(text);
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        // A key without value is left out: TOML has no null.
        types.retain(|name| name != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            object.insert("type".into(), single);
        }
    }
    for list in ["anyOf", "oneOf"] {
        if let Some(Value::Array(variants)) = object.get_mut(list) {
            variants.retain(|variant| *variant != json!({ "type": "null" }));
            for variant in variants {
                tidy(variant, path);
            }
        }
    }
    if let Some(items) = object.get_mut("items") {
        tidy(items, path);
    }
    let Some(Value::Object(properties)) = object.get_mut("properties") else {
        return;
    };
    for (key, value) in properties {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        tidy(value, &path);
    }
    object.remove("required");
    match required(path) {
        [] => {}
        keys => drop(object.insert("required".into(), json!(keys))),
    }
    object
        .entry("additionalProperties")
        .or_insert(Value::Bool(false));
}

/// Paragraphs keep apart, lines of one do not.
fn joined(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// For an enum that is flattened into its struct: its keys become keys of the
/// table, and exactly one variant must be there.
pub(super) fn exactly_one_variant(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("anyOf") else {
        return;
    };
    let mut choices = Vec::new();
    for mut variant in variants {
        let Some(keys) = properties(&mut variant) else {
            continue;
        };
        choices.extend(keys.keys().next().map(|key| json!({ "required": [key] })));
        merge(schema, keys);
    }
    schema.insert("oneOf".into(), choices.into());
}

/// For a struct into which an enum with the tag `source` is flattened: its
/// variants become keys of one table, and the source alone may be written as a
/// string.
pub(super) fn source_or_table(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let mut sources = Vec::new();
    // Its place is the first; what it may be is known below.
    let mut table = schemars::json_schema!({ "type": "object", "properties": { "source": null } });
    for mut variant in variants {
        let description = variant.get("description").cloned();
        let Some(keys) = properties(&mut variant) else {
            continue;
        };
        if let Some(Value::Object(mut source)) = keys.remove("source") {
            source.insert("description".into(), description.unwrap_or_default());
            sources.push(source);
        }
        merge(&mut table, keys);
    }
    let mut keys = Map::from_iter([(
        "source".to_owned(),
        json!({ "oneOf": sources, "examples": ["files"], "description": "Where they come from." }),
    )]);
    merge(&mut table, &mut keys);
    if let Some(Value::Object(mut own)) = schema.remove("properties") {
        merge(&mut table, &mut own);
    }
    schema.insert(
        "anyOf".into(),
        json!([{ "type": "string", "title": "source" }, table]),
    );
}

/// For a table that may be written as an address alone.
pub(super) fn or_address(schema: &mut Schema) {
    let table = std::mem::take(schema);
    let address = json!({ "type": "string", "title": "upstream address" });
    *schema = schemars::json_schema!({ "anyOf": [address, table] });
}

/// For a list of which a single element may stand alone.
pub(super) fn or_one(schema: &mut Schema) {
    let (Some(list), Some(one)) = (schema.remove("type"), schema.remove("items")) else {
        return;
    };
    let many = json!({ "type": list, "items": one });
    schema.insert("anyOf".into(), json!([one, many]));
}

fn merge(schema: &mut Schema, keys: &mut Map<String, Value>) {
    let properties = schema.ensure_object().entry("properties");
    if let Value::Object(properties) = properties.or_insert_with(|| json!({})) {
        properties.append(keys);
    }
}
