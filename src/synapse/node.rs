//! Reading the values of Synapse's files: a bad one becomes a fault and reading
//! goes on, so that all are told at once.

use std::cell::RefCell;
use std::fmt;

use serde_json::Value;

/// What is wrong with a file of Synapse, so that it cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    file: String,
    /// `listeners[0].port`; empty for the whole file.
    key: String,
    message: String,
    help: String,
}

impl Fault {
    /// A fault of a whole file.
    pub fn of_file(file: &str, message: impl Into<String>, help: &str) -> Self {
        Self {
            file: file.to_owned(),
            key: String::new(),
            message: message.into(),
            help: help.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            message,
            help,
            ..
        } = self;
        match &*self.key {
            "" => write!(f, "{file}: {message}; {help}"),
            key => write!(f, "{file}: `{key}`: {message}; {help}"),
        }
    }
}

/// The faults of one reading.
pub(super) type Faults = RefCell<Vec<Fault>>;

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    pub(super) file: &'a str,
    key: String,
    faults: &'a Faults,
}

impl<'a> Node<'a> {
    pub(super) fn new(
        value: Option<&'a Value>,
        file: &'a str,
        key: &str,
        faults: &'a Faults,
    ) -> Self {
        Self {
            value: value.filter(|value| !value.is_null()),
            file,
            key: key.to_owned(),
            faults,
        }
    }

    pub(super) fn is_written(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn json(&self) -> Option<&'a Value> {
        self.value
    }

    /// A key of a section.
    pub(super) fn key(&self, key: &str) -> Self {
        let value = match self.value {
            Some(Value::Object(section)) => section.get(key),
            _ => None,
        };
        Self::new(
            value,
            self.file,
            &format!("{}.{key}", self.key),
            self.faults,
        )
    }

    /// The keys of a section with their values.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        match self.value {
            None => Vec::new(),
            Some(Value::Object(section)) => {
                let keys = section.keys().map(|key| (key.as_str(), self.key(key)));
                keys.collect()
            }
            Some(_) => {
                let help = "write `key: value` in lines below it";
                self.is_no_group("keys and values", help);
                Vec::new()
            }
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Vec<Self> {
        match self.value {
            None => Vec::new(),
            Some(Value::Array(list)) => {
                let elements = list.iter().enumerate().map(|(index, value)| {
                    let key = format!("{}[{index}]", self.key);
                    Self::new(Some(value), self.file, &key, self.faults)
                });
                elements.collect()
            }
            Some(_) => {
                let help = "write its elements in lines that begin with \"- \"";
                self.is_no_group("a list", help);
                Vec::new()
            }
        }
    }

    /// One element, or a list of them.
    pub(super) fn one_or_list(&self) -> Vec<Self> {
        match self.value {
            Some(Value::Array(_)) | None => self.list(),
            Some(_) => vec![self.clone()],
        }
    }

    /// A text, or each text of a list.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        let elements = self.one_or_list();
        elements.iter().filter_map(Self::text).collect()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value?.as_str();
        let help = "write a text, in quotes if it looks like a number";
        text.or_else(|| self.is_not("a text", help))
    }

    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value?.as_bool();
        flag.or_else(|| self.is_not("true or false", "write true or false"))
    }

    pub(super) fn port(&self) -> Option<u16> {
        let port = self
            .value?
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        let port = port.filter(|port| *port > 0);
        port.or_else(|| self.is_not("a port", "write a number from 1 to 65535"))
    }

    /// A number of bytes, as Synapse's `parse_size` reads it.
    pub(super) fn size(&self) -> Option<u64> {
        let value = self.value?;
        let size = value.as_u64().or_else(|| parse_size(value.as_str()?));
        let help = "write a number of bytes, or one with K, M, G or T, such as 50M";
        size.filter(|size| *size > 0)
            .or_else(|| self.is_not("a size", help))
    }

    /// Nothing, because the value is not what it should be, which is reported.
    pub(super) fn is_not<T>(&self, expected: &str, help: &str) -> Option<T> {
        let shown = self.value.map_or_else(|| "nothing".to_owned(), shown);
        self.fault(format!("{shown} is not {expected}"), help)
    }

    /// Reports a value where several should stand, and not what it says: who writes
    /// one there may have left a secret.
    fn is_no_group(&self, expected: &str, help: &str) {
        let shown = match self.value {
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "a section",
            _ => "a single value",
        };
        self.report(format!("{shown} is not {expected}"), help);
    }

    /// Nothing, for a reason that is reported.
    pub(super) fn fault<T>(&self, message: impl Into<String>, help: &str) -> Option<T> {
        self.report(message, help);
        None
    }

    pub(super) fn report(&self, message: impl Into<String>, help: &str) {
        self.faults.borrow_mut().push(Fault {
            file: self.file.to_owned(),
            key: self.key.clone(),
            message: message.into(),
            help: help.to_owned(),
        });
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let factors = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = factors.into_iter().find(|(unit, _)| text.ends_with(*unit));
    let (number, shift) = match unit {
        Some((unit, shift)) => (text.strip_suffix(unit)?, shift),
        None => (text, 0),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A value as a message shows it: short, and without the password of a URL.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a section".to_owned(),
        Value::String(text) if text.contains('@') => "a text with \"@\" in it".to_owned(),
        Value::String(text) if text.chars().count() > 60 => "a long text".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
