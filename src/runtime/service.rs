//! Word to the service manager, where one has started this process and wants to know
//! (`sd_notify(3)`).

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Requests are served, by this process: it may have taken the place of another one.
    Ready,
    /// The process of this number serves in place of this one. Said by the process that the
    /// manager believes (`NotifyAccess=main`).
    Succeeded(u32),
    /// A reload has begun. [`Word::Ready`] ends it, whatever came of it.
    Reloading,
    /// The end has begun.
    Stopping,
    /// Everything is at work.
    Alive,
}

/// Tells it. Without a service manager nothing happens.
pub fn tell(word: Word) {
    if let Err(error) = say(word) {
        tracing::warn!(%error, ?word, "the service manager cannot be told");
    }
}

fn say(word: Word) -> io::Result<()> {
    match word {
        Word::Ready => {
            sd_notify::notify(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready])
        }
        Word::Succeeded(process) => sd_notify::notify(&[NotifyState::MainPid(process)]),
        Word::Reloading => {
            sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
        }
        Word::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Word::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    }
}

/// How often [`Word::Alive`] has to be said at least, where the service manager wants that.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}
