//! The log: what happens to the process, on the standard error.

use std::io::{self, IsTerminal, Write};

use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::LogFormat;
use super::journal::{Prioritised, is_journal};
use super::recent::Recent;
use super::redact::redact;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Degraded, and heals by itself.
    Warn,
    /// Start, stop and change: about ten lines a start.
    #[default]
    Info,
    /// The decisions of each request.
    Debug,
    /// Everything of ours.
    Trace,
}

impl LogLevel {
    /// The word that means this level in configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Targets of the proxy engine. It logs the target and host of requests that
/// fail, which the access log tells better and without secrets: its warnings
/// are shown from level debug on, and the rest, whole heads included, never.
const ENGINE: [&str; 5] = [
    "pingora",
    "pingora_core",
    "pingora_proxy",
    "pingora_pool",
    "pingora_http",
];

/// Libraries whose details help nobody who runs this program.
const LIBRARIES: [&str; 7] = [
    "tokio",
    "tokio_rustls",
    "rustls",
    "h2",
    "hyper",
    "tower_http",
    "mio",
];

/// Why logging could not begin or change.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// Something else has taken the place of the logger in this process.
    #[error("the process already has a logger: {0}")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
    /// The logger has gone.
    #[error("the logger does not take changes: {0}")]
    Gone(#[from] reload::Error),
    /// A rule of the filter is malformed.
    #[error("the log filter is malformed: {0}")]
    Filter(#[from] ParseError),
}

/// Changes the level of a running log.
#[derive(Clone, Debug)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogControl {
    /// Logs at `level` from now on.
    pub fn set_level(&self, level: LogLevel) -> Result<(), LoggingError> {
        Ok(self.filter.reload(filter(level)?)?)
    }
}

/// Begins to log to the standard error; records of the `log` crate come along.
pub fn init(level: LogLevel, format: LogFormat) -> Result<LogControl, LoggingError> {
    if is_journal(&io::stderr()) {
        let (subscriber, control) = subscriber(level, format, Prioritised(io::stderr))?;
        subscriber.try_init()?;
        return Ok(control);
    }
    let (subscriber, control) = subscriber(level, format, io::stderr)?;
    // Connects the `log` crate too.
    subscriber.try_init()?;
    Ok(control)
}

fn subscriber<W>(
    level: LogLevel,
    format: LogFormat,
    output: W,
) -> Result<(impl Subscriber + Send + Sync, LogControl), LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let lines = fmt::layer().with_writer(Redacted(output));
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        LogFormat::Text => lines
            .with_ansi(io::stderr().is_terminal())
            // Which module speaks matters to whoever debugs it.
            .with_target(level >= LogLevel::Debug)
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(Recent::default());
    Ok((subscriber, LogControl { filter: handle }))
}

fn filter(level: LogLevel) -> Result<EnvFilter, ParseError> {
    let engine = if level >= LogLevel::Debug {
        "warn"
    } else {
        "off"
    };
    let libraries = level.min(LogLevel::Warn).as_str();
    let rules = ENGINE.iter().map(|target| (target, engine));
    let rules = rules.chain(LIBRARIES.iter().map(|target| (target, libraries)));
    let mut filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::OFF.into())
        .parse(level.as_str())?;
    for (target, level) in rules {
        filter = filter.add_directive(format!("{target}={level}").parse()?);
    }
    Ok(filter)
}

/// An output that takes tokens out of every line: libraries put request
/// targets into their messages.
struct Redacted<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Redacted<W> {
    type Writer = Redacted<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Redacted(self.0.make_writer())
    }

    fn make_writer_for(&'w self, metadata: &Metadata<'_>) -> Self::Writer {
        Redacted(self.0.make_writer_for(metadata))
    }
}

impl<W: Write> Write for Redacted<W> {
    /// Gets a whole record at a time from the subscriber.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.0.write_all(&redact(record))?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn hides_the_engine_until_debug_and_caps_it_there() {
        for (level, engine) in [
            (LogLevel::Error, "off"),
            (LogLevel::Info, "off"),
            (LogLevel::Debug, "warn"),
            (LogLevel::Trace, "warn"),
        ] {
            let rules = filter(level).unwrap().to_string();
            let rules: Vec<_> = rules.split(',').collect();
            assert!(
                rules.contains(&format!("pingora_core={engine}").as_str()),
                "{rules:?}"
            );
            assert!(rules.contains(&level.as_str()), "{rules:?}");
        }
    }

    #[test]
    fn caps_libraries_at_warnings() {
        assert!(
            filter(LogLevel::Trace)
                .unwrap()
                .to_string()
                .contains("h2=warn")
        );
        assert!(
            filter(LogLevel::Error)
                .unwrap()
                .to_string()
                .contains("h2=error")
        );
    }

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, record: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(record)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logged(level: LogLevel, format: LogFormat, log: impl FnOnce(&LogControl)) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let (subscriber, control) = subscriber(level, format, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || log(&control));
        captured.text()
    }

    #[test]
    fn no_token_gets_into_the_log() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(LogLevel::Debug, format, |_| {
                let target = "/sync?access_token=syt_Planted_1";
                tracing::warn!(target: "pingora_proxy", "cannot proxy GET {target}");
                tracing::info!(agent = "Bearer Planted", "seen");
            });
            assert_eq!(text.lines().count(), 2, "{text}");
            assert_eq!(text.matches("[redacted]").count(), 2, "{text}");
            assert!(!text.contains("Planted"), "{text}");
        }
    }

    #[test]
    fn the_level_of_a_running_log_can_change() {
        let text = logged(LogLevel::Info, LogFormat::Text, |control| {
            tracing::debug!("one");
            tracing::error!(target: "pingora_core", "two");
            control.set_level(LogLevel::Debug).unwrap();
            tracing::debug!("three");
            tracing::info!(target: "pingora_core", "four");
        });
        assert!(text.contains("three"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
