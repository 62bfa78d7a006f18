use std::fs;
use std::path::Path;

use super::file::WatchedFile;
use super::*;

fn settings(source: Source, folder: &Path) -> Settings {
    Settings {
        name: "test".into(),
        source,
        refresh: Duration::from_secs(1),
        max_age: Duration::from_hours(1),
        is_closed_when_stale: false,
        folder: folder.join("lists"),
    }
}

fn room(folder: &Path, room: &str) -> Settings {
    let source = RoomSource {
        room: room.into(),
        token_file: folder.join("token"),
        site: "example.com".into(),
    };
    settings(Source::Room(source), folder)
}

fn content(names: &[&str]) -> Content {
    let names = names.iter().map(|name| ServerPattern::of_entity(name));
    Content {
        patterns: names.map(Result::unwrap).collect(),
        skipped: 1,
        etag: Some("\"1\"".into()),
    }
}

#[test]
fn a_file_is_read_when_it_has_changed_and_kept_while_it_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deny.txt");
    let open = || List::open(settings(Source::File(path.clone()), folder.path()));
    let problem = open().unwrap_err();
    assert!(problem.contains("cannot read"), "{problem}");
    fs::write(&path, "a b\n").unwrap();
    let problem = open().unwrap_err();
    assert!(problem.contains("line 1 names no server"), "{problem}");

    fs::write(&path, "a.example\n").unwrap();
    let list = open().unwrap();
    assert_eq!(list.report().entries, 1);
    let mut file = WatchedFile::new(&path);
    let now = SystemTime::now();
    let mut look = || {
        let first = list.note(file.look(), now);
        assert!(!first.names_others, "read at first sight");
        list.note(file.look(), now)
    };
    assert_eq!(look().result, "same");
    fs::write(&path, "a.example\nb.example\n").unwrap();
    let noted = look();
    assert!(noted.names_others && noted.result == "changed");
    assert_eq!(list.report().entries, 2);

    fs::write(&path, "oh no\n").unwrap();
    assert!(look().is_new_problem);
    assert!(!look().is_new_problem, "told once");
    let report = list.report();
    assert!(report.entries == 2 && report.problem.is_some());
    fs::remove_file(&path).unwrap();
    assert!(look().is_new_problem);
    fs::write(&path, "c.example\n").unwrap();
    assert!(look().names_others);
    assert_eq!(list.report().problem, None);
}

#[test]
fn a_copy_survives_and_belongs_to_one_source() {
    let folder = tempfile::tempdir().unwrap();
    let bans = || room(folder.path(), "#bans:example.org");
    assert_eq!(List::open(bans()).unwrap().report().read, None);
    let content = content(&["a.example", "*.b.example", "c*.example"]);
    let read = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    copy::write(&bans(), &content, read).unwrap();

    let report = List::open(bans()).unwrap().report();
    assert_eq!((report.entries, report.skipped), (3, 1));
    assert_eq!(report.read, Some(read));
    let other = room(folder.path(), "#others:example.org");
    assert_eq!(List::open(other).unwrap().report().entries, 0);
    fs::write(folder.path().join("lists/test.json"), "{").unwrap();
    assert_eq!(List::open(bans()).unwrap().report().entries, 0);
}

#[test]
fn what_is_too_old_stays_or_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let begin = SystemTime::now();
    let hours = |hours| begin + Duration::from_hours(hours);
    let failed = || Err("no answer".to_owned());
    for is_closed in [false, true] {
        let mut settings = room(folder.path(), "#bans:example.org");
        settings.is_closed_when_stale = is_closed;
        let list = List::open(settings).unwrap();
        list.note(Ok(Found::New(content(&["a.example"]))), begin);
        assert_eq!(list.report().entries, 1);
        list.note(failed(), hours(1));
        assert_eq!(list.report().entries, 1);
        let noted = list.note(failed(), hours(2));
        assert_eq!(noted.names_others, is_closed);
        assert_eq!(list.report().entries, usize::from(!is_closed));
        list.note(Ok(Found::Same), hours(3));
        assert_eq!(list.report().entries, 1);
    }
}

#[test]
fn a_copy_that_is_too_old_closes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = room(folder.path(), "#bans:example.org");
    settings.is_closed_when_stale = true;
    let read = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    copy::write(&settings, &content(&["a.example"]), read).unwrap();
    assert_eq!(List::open(settings).unwrap().report().entries, 0);
}
