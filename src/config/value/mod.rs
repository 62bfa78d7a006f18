//! Small values that stand in the configuration as text. Each parses from what
//! the operator wrote, prints as it would be written, and names the value and
//! the remedy when it does not parse.

mod address;
mod budget_name;
mod class_name;
mod group_name;
mod host;
mod log_target;
mod network;
mod origin_pattern;
mod room;
mod route_path;
mod rule_name;
mod server_name;
mod size;
mod time;
mod upstream_address;
mod url;
mod worker_name;

pub use address::ListenAddress;
pub use budget_name::BudgetName;
pub use class_name::ClassName;
pub use group_name::GroupName;
pub use host::Host;
pub use log_target::LogTarget;
pub use network::{Network, TrustedProxy};
pub use origin_pattern::OriginPattern;
pub use room::Room;
pub use route_path::RoutePath;
pub use rule_name::RuleName;
pub use size::{ByteSize, Count};
pub use time::{Age, Hsts, Timeout};
pub use upstream_address::UpstreamAddress;
pub use url::HttpUrl;
pub use worker_name::WorkerName;

/// Why a text is not the value it should be.
///
/// It prints as two lines, because serde carries one text only; the reader of
/// sections takes the second line as the help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n{help}")]
pub struct InvalidValue {
    message: String,
    help: String,
}

impl InvalidValue {
    pub(in crate::config) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Implements serde and the schema for a type that is written as a string:
/// it prints by `Display` and parses by `FromStr`.
macro_rules! text_value {
    ($type:ty, $name:literal, $title:literal, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Visitor)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "title": $title })
            }
        }
    };
}
pub(in crate::config) use text_value;

#[cfg(test)]
mod tests;
