//! Matrix server names as they stand in the configuration.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use super::InvalidValue;
use crate::matrix::ServerName;

impl Serialize for ServerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ServerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Name)
    }
}

struct Name;

impl Visitor<'_> for Name {
    type Value = ServerName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server name such as \"example.com\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ServerName, E> {
        let refuse = |reason: &dyn fmt::Display| {
            E::custom(InvalidValue::new(
                format!("{text:?} is not a server name: {reason}"),
                "write a host name or IP address, with a port if it has one: no scheme, no path",
            ))
        };
        if text.contains("://") {
            return Err(refuse(&"it is a URL"));
        }
        text.parse().map_err(|reason| refuse(&reason))
    }
}

impl JsonSchema for ServerName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ServerName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": "host[:port]", "maxLength": 255 })
    }
}
