//! Lists of servers for the rules by origin: read from files, web servers and policy rooms, again
//! and again, and kept as they were where that fails.

mod copy;
mod file;
mod keep;
mod room;
#[cfg(test)]
mod tests;
mod url;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::matrix::ServerPattern;
use crate::policy::origin_rules::Names;

pub use keep::{Asking, keep};
pub use room::RoomSource;
pub use url::UrlSource;

/// How a list is read.
#[derive(Debug)]
pub struct Settings {
    /// What rules, metrics and logs call it.
    pub name: Arc<str>,
    /// Where it is.
    pub source: Source,
    /// From one look to the next.
    pub refresh: Duration,
    /// How old what it held last may become.
    pub max_age: Duration,
    /// Whether it names nobody once it is older.
    pub is_closed_when_stale: bool,
    /// Where a copy of what others hold is kept.
    pub folder: PathBuf,
}

/// Where a list is.
#[derive(Debug)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// On a web server.
    Url(UrlSource),
    /// In a Matrix room.
    Room(RoomSource),
}

/// One list, and what is known of it.
#[derive(Debug)]
pub struct List {
    settings: Settings,
    state: Mutex<State>,
}

/// What is known of a list.
#[derive(Debug, Default)]
struct State {
    names: Arc<Names>,
    /// Who is named to the rules: `names`, or nobody once these are too old.
    in_force: Arc<Names>,
    /// When the list was last what it is here.
    read: Option<SystemTime>,
    etag: Option<Box<str>>,
    skipped: usize,
    problem: Option<String>,
}

/// What is known of a list, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub name: Arc<str>,
    /// `file`, `url` or `room`.
    pub source: &'static str,
    /// How many names are in force.
    pub entries: usize,
    /// Entries of a policy room that name no servers.
    pub skipped: usize,
    /// When it was read last, or found to be the same.
    pub read: Option<SystemTime>,
    /// What went wrong since.
    pub problem: Option<String>,
}

/// What a list holds.
#[derive(Debug, Default)]
struct Content {
    patterns: Vec<ServerPattern>,
    skipped: usize,
    etag: Option<Box<str>>,
}

/// What a look at a list has brought.
#[derive(Debug)]
enum Found {
    /// It is as it was.
    Same,
    /// It may be another one.
    New(Content),
}

/// What a look at a list has changed.
#[derive(Debug)]
struct Noted {
    /// The word for it in metrics.
    result: &'static str,
    /// Whether other names are in force now.
    names_others: bool,
    /// Whether people have not been told of the problem.
    is_new_problem: bool,
}

impl List {
    /// The list as far as it can be read without asking anybody: from its file, which has to be
    /// good, or from the copy of what was read last, where there is one.
    pub fn open(settings: Settings) -> Result<Self, String> {
        let list = Self {
            state: Mutex::default(),
            settings,
        };
        match &list.settings.source {
            Source::File(path) => {
                let content = file::read(path)?;
                list.note(Ok(Found::New(content)), SystemTime::now());
            }
            Source::Url(_) | Source::Room(_) => {
                if let Some((content, read)) = copy::read(&list.settings) {
                    list.note(Ok(Found::New(content)), read);
                    // It may have become too old meanwhile.
                    list.settle(SystemTime::now());
                }
            }
        }
        Ok(list)
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Whom it names now.
    pub fn names(&self) -> Arc<Names> {
        self.state().in_force.clone()
    }

    /// What is known of it.
    pub fn report(&self) -> Report {
        let state = self.state();
        Report {
            name: self.settings.name.clone(),
            source: self.settings.source.as_str(),
            entries: state.in_force.len(),
            skipped: state.skipped,
            read: state.read,
            problem: state.problem.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a look has brought at `now`.
    fn note(&self, found: Result<Found, String>, now: SystemTime) -> Noted {
        let mut state = self.state();
        let mut is_new_problem = false;
        let result = match found {
            Ok(found) => {
                state.problem = None;
                state.read = Some(now);
                state.take(found)
            }
            Err(problem) => {
                is_new_problem = state.problem.as_ref() != Some(&problem);
                state.problem = Some(problem);
                "failed"
            }
        };
        drop(state);
        Noted {
            result,
            names_others: self.settle(now),
            is_new_problem,
        }
    }

    /// Puts in force what may be at `now`; says whether that is something else.
    fn settle(&self, now: SystemTime) -> bool {
        let mut state = self.state();
        let age = state.read.map(|read| now.duration_since(read));
        let is_fresh = age.is_some_and(|age| age.unwrap_or_default() <= self.settings.max_age);
        let in_force = if is_fresh || !self.settings.is_closed_when_stale {
            state.names.clone()
        } else {
            Arc::default()
        };
        if *in_force == *state.in_force {
            return false;
        }
        state.in_force = in_force;
        true
    }
}

impl State {
    fn take(&mut self, found: Found) -> &'static str {
        let Found::New(content) = found else {
            return "same";
        };
        let names: Names = content.patterns.into_iter().collect();
        self.etag = content.etag;
        self.skipped = content.skipped;
        if names == *self.names {
            return "same";
        }
        self.names = Arc::new(names);
        "changed"
    }
}

impl Source {
    fn as_str(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Url(_) => "url",
            Self::Room(_) => "room",
        }
    }

    /// Tells a list from another one of the same name.
    fn identity(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(source) => source.identity(),
            Self::Room(source) => source.identity(),
        }
    }
}
