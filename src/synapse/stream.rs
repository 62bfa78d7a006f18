//! The streams of Synapse's database, and who writes them (`stream_writers`).

use std::collections::BTreeMap;

use super::node::Node;
use crate::matrix::worker::Group;

/// What `stream_writers` calls the main process.
pub(super) const MAIN: &str = "master";

/// The streams that requests are written to: each is a group of that name.
pub(super) const STREAMS: [Group; 9] = [
    Group::Typing,
    Group::ToDevice,
    Group::AccountData,
    Group::Receipts,
    Group::Presence,
    Group::PushRules,
    Group::DeviceLists,
    Group::ThreadSubscriptions,
    Group::QuarantinedMediaChanges,
];

/// The stream that only other processes of Synapse write to.
const EVENTS: &str = "events";

/// Who writes which stream.
#[derive(Debug, Default)]
pub(super) struct Writers {
    streams: BTreeMap<Group, Vec<String>>,
    events: Vec<String>,
}

impl Writers {
    pub(super) fn read(section: &Node<'_>) -> Self {
        let mut writers = Self::default();
        for (name, names) in section.entries() {
            let names: Vec<String> = names.texts().into_iter().map(str::to_owned).collect();
            let stream = Group::named(name).filter(|group| STREAMS.contains(group));
            if let Some(stream) = stream {
                writers.streams.insert(stream, names);
            } else if name == EVENTS {
                writers.events = names;
            } else {
                let help = "take it out, or correct it: the streams are in its workers document";
                section
                    .key(name)
                    .report("Synapse 1.163 has no such stream", help);
            }
        }
        writers
    }

    /// The processes that write a stream; the main process where none is named.
    pub(super) fn of(&self, stream: Group) -> Vec<&str> {
        match self.streams.get(&stream) {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => vec![MAIN],
        }
    }

    /// Whether a process writes a stream.
    pub(super) fn has(&self, stream: Group, process: &str) -> bool {
        self.of(stream).contains(&process)
    }

    /// The streams that `process` writes.
    pub(super) fn written_by(&self, process: &str) -> impl Iterator<Item = Group> {
        let streams = STREAMS.into_iter();
        streams.filter(move |stream| self.has(*stream, process))
    }

    pub(super) fn persists_events(&self, process: &str) -> bool {
        self.events.iter().any(|name| name == process)
    }

    /// Every name that is written down, with the stream.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        let streams = self.streams.iter();
        let streams = streams.map(|(stream, names)| (stream.as_str(), names));
        let all = streams.chain(std::iter::once((EVENTS, &self.events)));
        all.flat_map(|(stream, names)| names.iter().map(move |name| (stream, name.as_str())))
    }
}

/// Whether a process that does not write a stream fails requests to write it.
///
/// `account_data` and `presence` are passed on to the writer, and of
/// `device_lists` any process can write.
pub(super) fn fails_elsewhere(stream: Group) -> bool {
    STREAMS.contains(&stream)
        && !matches!(
            stream,
            Group::AccountData | Group::Presence | Group::DeviceLists
        )
}

/// Processes as remarks name them.
pub(super) fn shown(names: &[&str]) -> String {
    let names = names.iter().map(|name| match *name {
        MAIN => "the main process".to_owned(),
        name => format!("\"{name}\""),
    });
    names.collect::<Vec<_>>().join(", ")
}
