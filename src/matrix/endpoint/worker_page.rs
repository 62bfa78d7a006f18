//! `docs/WORKERS.md`, written from the table.

use super::row::{ANY, DELETE, GET, POST, PUT};
use super::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Workers

<!-- Written from the table in src/matrix/endpoint, do not edit.
     Renew: UPDATE_REFERENCE=1 cargo test --lib workers_page -->

Which of Synapse's processes answers what. A request belongs to one group; among the workers of the group its *affinity*
chooses, so that what belongs together stays together:

- `user`: the user of the access token. The caches of a sync are in one process, and limits of a user count there.
- `room`: the room id or alias in the path, in any spelling of it.
- `origin`: the server that sends. Synapse takes one transaction of each server at a time, in each process.
- `media`: the media id in the path.
- `target`: path and query as a whole. The same question of several servers is computed once.
- `none`: the worker with the least to do.

Where a group has no workers of its own, its stand-ins answer, the first that has any; where none has, the main process.
Where all of them are *away*, the main process helps out only where it answers rightly: never for single sign-on, media
and a stream that a worker writes. A group that is *single* is one process, as Synapse demands.

`/sync` without `since` or with `full_state=true`, and sliding sync without `pos`, go to `initial_synchrotron`.

| Group | Stand-ins | Main process helps out | Single |
|---|---|---|---|
";

fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    for group in Group::ALL {
        let stand_ins: Vec<_> = group.stand_ins().iter().map(|g| format!("`{g}`")).collect();
        let say = |is: bool| if is { "yes" } else { "no" };
        let (helps, single) = (say(group.is_served_by_main()), say(group.is_single()));
        writeln!(
            text,
            "| `{group}` | {} | {helps} | {single} |",
            stand_ins.join(", ")
        )
        .unwrap();
    }
    for group in Group::ALL.iter().filter(|group| **group != Group::Main) {
        write!(
            text,
            "\n## `{group}`\n\n| Method | Path | Affinity |\n|---|---|---|\n"
        )
        .unwrap();
        let mut lines = BTreeMap::new();
        for row in rows().filter(|row| row.group() == *group) {
            let line = (row.template(), row.affinity());
            lines
                .entry(line)
                .or_insert_with(Vec::new)
                .extend(methods(row));
        }
        for ((template, affinity), methods) in lines {
            let (methods, affinity) = (methods.join(", "), affinity.as_str());
            writeln!(text, "| {methods} | `{template}` | {affinity} |").unwrap();
        }
    }
    text.push_str("\n## `main`\n\nEverything else.\n");
    text
}

fn methods(row: &Row) -> Vec<&'static str> {
    if row.has_method(ANY & !(GET | POST | PUT | DELETE)) {
        return vec!["any"];
    }
    let named = [
        (GET, "GET"),
        (POST, "POST"),
        (PUT, "PUT"),
        (DELETE, "DELETE"),
    ];
    let mine = named.into_iter().filter(|(bit, _)| row.has_method(*bit));
    mine.map(|(_, name)| name).collect()
}

#[test]
fn workers_page_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/WORKERS.md");
    let fresh = page();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).is_ok_and(|text| text == fresh),
        "docs/WORKERS.md is stale; run: UPDATE_REFERENCE=1 cargo test --lib workers_page"
    );
}
