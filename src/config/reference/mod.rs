//! What every key means, for people: made from the schema, whose texts are the
//! doc comments, and from a configuration in which only the required keys are
//! written, whose values are the defaults.

mod commented;
mod markdown;

use serde_json::Value;

use super::Config;
use super::schema::{json_schema, required};

pub use commented::reference_toml;
pub use markdown::markdown;

/// A configuration with one of each table whose keys have defaults too.
const MINIMAL: &str = "server_name = \"example.com\"\n\
                       homeserver = \"http://127.0.0.1:8008\"\n\
                       [[workers]]\n\
                       name = \"a\"\n\
                       upstream = \"http://127.0.0.1:1\"\n\
                       groups = [\"generic_worker\"]\n\
                       [[groups]]\n\
                       name = \"generic_worker\"\n\
                       [[routes]]\n\
                       path = \"/\"\n\
                       upstream = \"http://127.0.0.1:1\"\n\
                       [[federation.rules]]\n\
                       name = \"a\"\n\
                       action = \"deny\"\n\
                       lists = [\"a\"]\n\
                       [[federation.lists]]\n\
                       name = \"a\"\n\
                       file = \"a\"\n\
                       [[federation.pinned_keys]]\n\
                       origin = \"a.example\"\n\
                       key_id = \"ed25519:a\"\n\
                       key = \"6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s\"\n\
                       [[traffic.budgets]]\n\
                       name = \"fed_state\"\n";
/// Exactly one of them is written, so none has a default.
const ACTIONS: [&str; 4] = ["upstream", "redirect", "folder", "homeserver"];

/// Written in [`MINIMAL`] because something has to be.
const WRITTEN: [(&str, &str); 2] = [("federation.rules", "lists"), ("federation.lists", "file")];

/// A table of the file.
struct Section {
    /// As it stands in brackets; empty for the top level.
    path: String,
    /// `[[path]]`: there may be several.
    is_repeated: bool,
    /// Whether an empty table under this header would be refused.
    has_required: bool,
    description: String,
    keys: Vec<Key>,
}

/// A key of a section.
struct Key {
    name: String,
    kind: String,
    is_required: bool,
    default: Option<Value>,
    example: Option<Value>,
    description: String,
    /// Values and what each means.
    choices: Vec<(String, String)>,
}

impl Key {
    /// Whether the doc comment tells the default in words, because it follows from
    /// other keys.
    fn default_is_told(&self) -> bool {
        self.description.contains("Default:")
    }
}

/// The sections that have a key of this name: path, and whether they repeat.
pub(super) fn sections_with(name: &str) -> Vec<(String, bool)> {
    let mut sections = Vec::new();
    collect(&json_schema(), "", &Value::Null, &mut sections);
    sections.retain(|section| section.keys.iter().any(|key| key.name == name));
    let places = sections.into_iter();
    places
        .map(|section| (section.path, section.is_repeated))
        .collect()
}

/// All sections in the order of the file: the top level first.
fn sections() -> Vec<Section> {
    let defaults = Config::parse("defaults", MINIMAL).ok();
    let defaults = defaults.and_then(|config| serde_json::to_value(config).ok());
    let mut sections = Vec::new();
    collect(
        &json_schema(),
        "",
        &defaults.unwrap_or_default(),
        &mut sections,
    );
    sections
}

fn collect(schema: &Value, path: &str, defaults: &Value, sections: &mut Vec<Section>) {
    let table = as_table(schema).unwrap_or(schema);
    let Some(Value::Object(properties)) = table.get("properties") else {
        return;
    };
    let index = sections.len();
    sections.push(Section {
        path: path.to_owned(),
        is_repeated: schema.get("items").is_some(),
        has_required: !required(path).is_empty() && !path.is_empty(),
        description: description(schema, table),
        keys: Vec::new(),
    });
    for (name, property) in properties {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let default = default_of(defaults, path, name);
        let is_table = as_table(property).is_some();
        // The keys of a site are told once, where they mostly stand.
        // So are those of an upstream, under `homeserver`.
        let is_upstream = name == "upstream" || name == "mas";
        if is_table && name != "sites" && !is_upstream {
            collect(property, &below, defaults, sections);
        }
        let may_be_value = !is_table || property.get("anyOf").is_some() || name == "sites";
        if let Some(section) = sections.get_mut(index).filter(|_| may_be_value) {
            section.keys.push(Key::new(name, property, path, default));
        }
    }
}

impl Key {
    fn new(name: &str, schema: &Value, path: &str, default: Option<Value>) -> Self {
        let is_required =
            required(path).contains(&name) || path.is_empty() && required("sites").contains(&name);
        let is_action =
            path == "routes" && ACTIONS.contains(&name) || WRITTEN.contains(&(path, name));
        Self {
            name: name.to_owned(),
            kind: kind(schema),
            is_required,
            default: default.filter(|_| !is_required && !is_action && name != "sites"),
            example: schema
                .get("examples")
                .and_then(|examples| examples.get(0))
                .cloned(),
            description: text(schema, "description"),
            choices: choices(schema),
        }
    }
}

/// The value of a key when nothing is written; the keys of a site stand at top
/// level.
fn default_of(defaults: &Value, path: &str, name: &str) -> Option<Value> {
    let walk = |from: &Value| {
        let mut at = from.clone();
        for step in path
            .split('.')
            .filter(|step| !step.is_empty())
            .chain([name])
        {
            if let Some(first) = at.get_mut(0) {
                at = first.take();
            }
            at = at.get_mut(step)?.take();
        }
        Some(at)
    };
    walk(defaults).or_else(|| walk(defaults.get("sites")?.get(0)?))
}

/// The schema of the table that this is, may be, or is a list of. A table
/// without keys of its own is a value.
fn as_table(schema: &Value) -> Option<&Value> {
    if schema.get("properties").is_some() {
        return Some(schema);
    }
    if let Some(items) = schema.get("items") {
        return as_table(items);
    }
    let variants = schema.get("anyOf")?.as_array()?;
    variants
        .iter()
        .find(|variant| variant.get("properties").is_some())
}

/// What the key means to its section, then what the table says of itself.
fn description(schema: &Value, table: &Value) -> String {
    let mut own = text(schema, "description");
    let inner = schema
        .get("items")
        .map_or(table, |items| as_table(items).unwrap_or(items));
    let of_table = text(inner, "description");
    if !own.contains(&of_table) {
        own.push_str("\n\n");
        own.push_str(&of_table);
    }
    own
}

fn text(schema: &Value, key: &str) -> String {
    let own = schema.get(key).and_then(Value::as_str);
    own.unwrap_or_default().to_owned()
}

/// JSON as TOML on one line.
fn inline(value: &Value) -> String {
    let toml = toml::Value::try_from(value);
    toml.map_or_else(|_| value.to_string(), |value| value.to_string())
}

/// What may be written, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(title) = schema.get("title").and_then(Value::as_str) {
        return title.to_owned();
    }
    if let Some(Value::Array(variants)) = schema.get("anyOf") {
        let mut kinds: Vec<String> = variants.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(Value::Array(variants)) = schema.get("oneOf") {
        let values = variants.iter().filter_map(|variant| variant.get("const"));
        let values: Vec<String> = values.map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => match schema.get("items") {
            Some(items) if as_table(items).is_some() => "list of tables".to_owned(),
            Some(items) => format!("list of {}", kind(items)),
            None => "list".to_owned(),
        },
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => "number".to_owned(),
        Some("object") => "table".to_owned(),
        _ => "text".to_owned(),
    }
}

fn choices(schema: &Value) -> Vec<(String, String)> {
    let Some(Value::Array(variants)) = schema.get("oneOf") else {
        return Vec::new();
    };
    let choice = |variant: &Value| {
        let value = variant.get("const")?.to_string();
        Some((value, text(variant, "description")))
    };
    variants.iter().filter_map(choice).collect()
}
