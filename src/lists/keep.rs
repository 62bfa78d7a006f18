//! The task that keeps a list fresh.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::file::WatchedFile;
use super::{Content, Found, List, Noted, Source, copy};
use crate::policy::origin_rules::Names;
use crate::telemetry::Telemetry;
use crate::upstream::{Deadlines, Pool, Upstream};

/// After a failure the next try comes no later.
const RETRY: Duration = Duration::from_mins(1);
/// The copy says when the list was read; this much may be missing there.
const COPY_AGE: Duration = Duration::from_hours(1);

/// What reads rooms.
pub struct Asking {
    /// Connections to homeservers.
    pub pool: Arc<Pool>,
    /// Their deadlines.
    pub deadlines: Deadlines,
    /// The homeserver of the room's site.
    pub homeserver: Option<Arc<Upstream>>,
}

/// Looks at a list for as long as it is polled; `changed` is called when it names others.
pub async fn keep(list: Arc<List>, asking: Asking, telemetry: Arc<Telemetry>, changed: impl Fn()) {
    let settings = &list.settings;
    let mut file = match &settings.source {
        Source::File(path) => Some(WatchedFile::new(path)),
        Source::Url(_) | Source::Room(_) => None,
    };
    let mut copied = None;
    tell(&list, &telemetry);
    tokio::time::sleep(list.first_wait(SystemTime::now())).await;
    loop {
        let found = match (&settings.source, &mut file) {
            (Source::File(_), Some(file)) => file.look(),
            (Source::File(_), None) => Ok(Found::Same),
            (Source::Url(source), _) => {
                let etag = list.state().etag.clone();
                source.look(etag.as_deref()).await
            }
            (Source::Room(source), _) => source.look(&asking).await,
        };
        let now = SystemTime::now();
        if let (Ok(Found::New(content)), None) = (&found, &file) {
            list.copy(content, now, &mut copied);
        }
        let noted = list.note(found, now);
        telemetry.list_read(&settings.name, noted.result);
        log(&list, &noted);
        if noted.names_others {
            changed();
        }
        tell(&list, &telemetry);
        let wait = match noted.result {
            "failed" => settings.refresh.min(RETRY),
            _ => settings.refresh,
        };
        tokio::time::sleep(wait).await;
    }
}

impl List {
    /// A file has just been read, and so may have been what there is a copy of.
    fn first_wait(&self, now: SystemTime) -> Duration {
        let read = self.state().read;
        let age = read.and_then(|read| now.duration_since(read).ok());
        age.map_or(Duration::ZERO, |age| {
            self.settings.refresh.saturating_sub(age)
        })
    }

    /// Writes the copy, unless the one that is there says about the same.
    fn copy(&self, content: &Content, now: SystemTime, copied: &mut Option<SystemTime>) {
        let age = copied.and_then(|copied| now.duration_since(copied).ok());
        let names: Names = content.patterns.iter().cloned().collect();
        let is_same = names == *self.state().names;
        if is_same && age.is_some_and(|age| age < COPY_AGE) {
            return;
        }
        match copy::write(&self.settings, content, now) {
            Ok(()) => *copied = Some(now),
            Err(error) => tracing::warn!(
                "list {}: no copy of it can be kept in {}: {error}",
                self.settings.name,
                self.settings.folder.display()
            ),
        }
    }
}

fn log(list: &List, noted: &Noted) {
    let report = list.report();
    let name = &report.name;
    match (&report.problem, noted.result) {
        (Some(problem), _) if noted.is_new_problem => {
            tracing::warn!(
                "list {name} cannot be read: {problem}; {} servers of before stay",
                report.entries
            );
        }
        (None, "changed") => tracing::info!("list {name}: {} servers", report.entries),
        _ => {}
    }
}

/// Brings the metrics up to date.
fn tell(list: &List, telemetry: &Telemetry) {
    let report = list.report();
    let read = report
        .read
        .and_then(|read| read.duration_since(SystemTime::UNIX_EPOCH).ok());
    let read = read.and_then(|read| i64::try_from(read.as_secs()).ok());
    telemetry.list_state(
        &report.name,
        report.entries,
        read.unwrap_or(0),
        report.problem.is_none(),
    );
}
