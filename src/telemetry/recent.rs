//! The last warnings and errors of the log, for whoever looks at the admin listener.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::redact::redact;

/// How many are kept; the oldest goes first.
const KEPT: usize = 50;
/// The longest text that is kept of one, in characters.
const LONGEST: usize = 300;
/// What libraries say may hold what requests brought.
const OURS: &str = "vestibule";

/// A warning or an error of this program, without ids and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it was logged last.
    pub at: SystemTime,
    /// `warn` or `error`.
    pub level: &'static str,
    /// The message, and its fields as `name=value`.
    pub message: String,
    /// How often it was logged since it got into the list.
    pub times: u64,
}

/// What the process's log has kept, the latest first; nothing where there is no such log.
pub fn recent_troubles() -> Vec<Trouble> {
    let of = |log: &Recent| log.lock().iter().rev().cloned().collect();
    tracing::dispatcher::get_default(|log| log.downcast_ref::<Recent>().map(of)).unwrap_or_default()
}

/// The part of the log that keeps them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(Arc<Mutex<VecDeque<Trouble>>>);

impl Recent {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; what is there already moves to the end and is counted.
    fn add(&self, mut trouble: Trouble) {
        let mut kept = self.lock();
        let is_same =
            |known: &Trouble| known.level == trouble.level && known.message == trouble.message;
        if let Some(known) = kept.iter().position(is_same) {
            trouble.times += kept.remove(known).map_or(0, |known| known.times);
        } else if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(trouble);
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let level = match *about.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        if !about.target().starts_with(OURS) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        self.add(Trouble {
            at: SystemTime::now(),
            level,
            message: text.finished(),
            times: 1,
        });
    }
}

/// The message of an event, and behind it the fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finished(self) -> String {
        let text = self.message + &self.fields;
        let clean = redact(text.as_bytes());
        let clean = String::from_utf8_lossy(&clean);
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        clean.chars().take(LONGEST).map(printable).collect()
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            // Differs each time, and the log has it.
            "request_id" => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn kept(log: impl FnOnce()) -> Vec<Trouble> {
        let subscriber = tracing_subscriber::registry().with(Recent::default());
        tracing::subscriber::with_default(subscriber, || {
            log();
            recent_troubles()
        })
    }

    #[test]
    fn the_latest_come_first_and_the_same_once() {
        let kept = kept(|| {
            tracing::info!("not this");
            tracing::warn!(upstream = "one", request_id = "a", "it is away");
            tracing::error!("it is broken");
            tracing::warn!(upstream = "one", request_id = "b", "it is away");
        });
        let texts: Vec<_> = kept
            .iter()
            .map(|t| (t.level, &*t.message, t.times))
            .collect();
        let expected = [
            ("warn", "it is away upstream=one", 2),
            ("error", "it is broken", 1),
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn there_are_never_more_than_fit() {
        let kept = kept(|| {
            for number in 0..KEPT + 7 {
                tracing::warn!(number, "one of many");
            }
            tracing::error!("{}", "x".repeat(9 * LONGEST));
        });
        assert_eq!(kept.len(), KEPT);
        assert!(kept.iter().all(|trouble| trouble.message.len() <= LONGEST));
    }

    #[test]
    fn neither_tokens_nor_what_libraries_say_gets_in() {
        let kept = kept(|| {
            tracing::warn!(target: "pingora_proxy", "GET /planted");
            tracing::warn!(agent = "Bearer planted\u{1b}[31m", "seen");
        });
        assert_eq!(kept.len(), 1);
        let message = &kept[0].message;
        assert!(message.contains("[redacted]"), "{message}");
        assert!(
            !message.contains("planted") && !message.contains('\u{1b}'),
            "{message}"
        );
    }

    #[test]
    fn without_such_a_log_there_is_nothing() {
        let log = tracing_subscriber::registry();
        tracing::subscriber::with_default(log, || assert_eq!(recent_troubles(), []));
    }
}
