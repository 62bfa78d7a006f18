//! Whether a value is what a JSON schema describes, as far as the schema of the report goes.

use serde_json::Value;

/// Where `value` differs from `schema`, whose definitions are in `root`.
pub(crate) fn mismatches(value: &Value, schema: &Value, root: &Value) -> Vec<String> {
    let Some(object) = schema.as_object() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (keyword, wanted) in object {
        match keyword.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                found.extend(mismatches(value, root.pointer(pointer).unwrap(), root));
            }
            "type" => {
                let kinds = wanted
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![wanted.clone()]);
                if !kinds.iter().any(|kind| is(value, kind.as_str().unwrap())) {
                    found.push(format!("{value} is no {wanted}"));
                }
            }
            "const" if value != wanted => found.push(format!("{value} is not {wanted}")),
            "enum" if !wanted.as_array().unwrap().contains(value) => {
                found.push(format!("{value} is none of {wanted}"));
            }
            "required" => {
                let missing = wanted.as_array().unwrap().iter();
                let missing = missing.filter(|key| value.get(key.as_str().unwrap()).is_none());
                found.extend(missing.map(|key| format!("{key} is missing")));
            }
            "properties" => {
                let own = value.as_object().into_iter().flatten();
                found.extend(own.flat_map(|(key, value)| match wanted.get(key) {
                    Some(schema) => mismatches(value, schema, root),
                    None => vec![format!("{key} is not described")],
                }));
            }
            "additionalProperties" => {
                let own = value.as_object().into_iter().flatten();
                found.extend(own.flat_map(|(_, value)| mismatches(value, wanted, root)));
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                found.extend(items.flat_map(|item| mismatches(item, wanted, root)));
            }
            "anyOf" | "oneOf" => {
                let fits = |one: &Value| mismatches(value, one, root).is_empty();
                if !wanted.as_array().unwrap().iter().any(fits) {
                    found.push(format!("{value} fits none of {wanted}"));
                }
            }
            "const" | "enum" | "$schema" | "$defs" | "title" | "description" | "format"
            | "minimum" | "maximum" => {}
            other => panic!("the schema has a keyword that this test does not know: {other}"),
        }
    }
    found
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => panic!("unknown type {kind}"),
    }
}
