//! What the program says: about itself, and about each request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section::Section;
use super::value::LogTarget;

/// What the program says about itself, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Log {
    /// The least important messages that are still written.
    pub level: LogLevel,
    /// How they are written.
    pub format: LogFormat,
}

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// An operator must act.
    Error,
    /// Something is worse than it should be and heals by itself.
    Warn,
    /// Starts and stops: about ten lines each.
    Info,
    /// Decisions about each request.
    Debug,
    /// Everything.
    Trace,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// One line per request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccessLog {
    /// How lines are written, if at all.
    pub format: AccessLogFormat,
    /// `-` for standard output, else a file that lines are appended to.
    pub path: LogTarget,
}

/// How access lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
    /// Not at all.
    Off,
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let log = Self {
            level: section.or("level", LogLevel::Info),
            format: section.or("format", LogFormat::Text),
        };
        section.finish();
        log
    }
}

impl AccessLog {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let format = section.or("format", AccessLogFormat::Text);
        let path = match section.or("path", LogTarget::Stdout) {
            LogTarget::Stdout => LogTarget::Stdout,
            LogTarget::File(path) => LogTarget::File(section.report().resolve(&path)),
        };
        section.finish();
        Self { format, path }
    }
}
