//! Free-form TOML as JSON, for the documents that Matrix clients read.

use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::section::{Report, Value};

/// A JSON object in the order in which it was written.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;

/// The value as JSON; what JSON cannot say is reported.
pub(super) fn to_json(value: Value<'_>, report: &Report<'_>) -> Option<serde_json::Value> {
    let span = value.span();
    let refuse = |message: &str, help: &str| {
        report.add(Diagnostic::new(message, Some(span.clone().into())).help(help));
        None
    };
    match value.into_inner() {
        DeValue::String(text) => Some(text.into_owned().into()),
        DeValue::Boolean(truth) => Some(truth.into()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Some(number.into()),
            Err(_) => refuse(
                "this number does not fit in 64 bits",
                "write it as a string",
            ),
        },
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok();
            match number.and_then(serde_json::Number::from_f64) {
                Some(number) => Some(number.into()),
                None => refuse("JSON has no such number", "write it as a string"),
            }
        }
        DeValue::Datetime(_) => refuse("JSON has no dates", "write it as a string, in quotes"),
        DeValue::Array(array) => {
            let elements = array.into_iter().map(|element| to_json(element, report));
            // All of them first, so that each problem is told.
            let elements: Vec<_> = elements.collect();
            elements
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .map(Into::into)
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (toml::Spanned<toml::de::DeString<'_>>, Value<'_>)| {
                to_json(value, report).map(|value| (key.into_inner().into_owned(), value))
            };
            let entries: Vec<_> = table.into_iter().map(entry).collect();
            let object = entries.into_iter().collect::<Option<JsonMap>>();
            object.map(Into::into)
        }
    }
}
