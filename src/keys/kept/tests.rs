use super::*;
use crate::keys::tests::server::{Published, public};

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// What is known after a document with these keys came at `now`.
fn after(kept: &Kept, keys: &[u8], old: &[u8], valid_until: u64, now: u64) -> Kept {
    let published = Published {
        server: "a.test",
        keys,
        old,
        valid_until,
    };
    let document = published.document();
    let document = KeyDocument::new(&document, "a.test").unwrap();
    kept.with(&[document], "ed25519:1", now)
}

fn is_known(kept: &Kept, number: u8, now: u64) -> bool {
    let found = kept.key(&format!("ed25519:{number}"), now);
    if let Some(found) = found {
        assert_eq!(found.key.as_bytes(), &public(number));
    }
    found.is_some()
}

#[test]
fn a_key_counts_until_its_document_ends_and_for_a_week_at_most() {
    let nothing = Kept::default();
    let short = after(&nothing, &[1], &[], NOW + DAY, NOW);
    assert!(is_known(&short, 1, NOW + DAY) && !is_known(&short, 1, NOW + DAY + 1));
    let long = after(&nothing, &[1], &[], NOW + 400 * DAY, NOW);
    assert!(is_known(&long, 1, NOW + 7 * DAY) && !is_known(&long, 1, NOW + 7 * DAY + 1));
    let ended = after(&nothing, &[1], &[], NOW - 1, NOW);
    assert_eq!(ended.count(), 0);
}

#[test]
fn half_of_the_time_is_over_when_it_is_asked_for_again() {
    let kept = after(&Kept::default(), &[1], &[], NOW + 2 * DAY, NOW);
    let is_due = |kept: &Kept, now| kept.key("ed25519:1", now).unwrap().is_due(now);
    assert!(!is_due(&kept, NOW + DAY - 1) && is_due(&kept, NOW + DAY));
    // Nothing new came of it: the next time is half of the rest.
    let asked = kept.with(&[], "ed25519:1", NOW + DAY);
    assert!(!is_due(&asked, NOW + DAY + DAY / 2 - 1) && is_due(&asked, NOW + DAY + DAY / 2));
    // Neither is it asked for all the time towards the end.
    let asked = kept.with(&[], "ed25519:1", NOW + 2 * DAY - 11 * MINUTE);
    assert!(!is_due(&asked, NOW + 2 * DAY - MINUTE - 1));
    assert!(is_due(&asked, NOW + 2 * DAY - MINUTE));
}

#[test]
fn an_older_document_changes_nothing() {
    let newer = after(&Kept::default(), &[1], &[], NOW + 2 * DAY, NOW);
    let both = after(&newer, &[1, 2], &[], NOW + DAY, NOW);
    assert!(is_known(&both, 1, NOW + 2 * DAY));
    assert!(is_known(&both, 2, NOW + DAY) && !is_known(&both, 2, NOW + DAY + 1));
    // Nor does it take a key away.
    let kept = after(&newer, &[2], &[1], NOW + DAY, NOW);
    assert!(is_known(&kept, 1, NOW));
}

#[test]
fn a_key_that_its_server_has_replaced_is_forgotten() {
    let first = after(&Kept::default(), &[1], &[], NOW + DAY, NOW);
    let second = after(&first, &[2], &[1], NOW + DAY, NOW);
    assert!(!is_known(&second, 1, NOW) && is_known(&second, 2, NOW));
    // One that is named as both signs no request.
    let both = after(&Kept::default(), &[1, 2], &[1], NOW + DAY, NOW);
    assert!(!is_known(&both, 1, NOW) && is_known(&both, 2, NOW));
    // One that is not named at all stays for its time.
    let third = after(&first, &[2], &[], NOW + DAY, NOW);
    assert!(is_known(&third, 1, NOW) && is_known(&third, 2, NOW));
}

#[test]
fn of_many_keys_the_wanted_one_and_a_few_are_kept() {
    let many: Vec<u8> = (2..60).chain([1]).collect();
    let kept = after(&Kept::default(), &many, &[], NOW + DAY, NOW);
    assert_eq!(kept.count(), MOST_KEYS as u64);
    assert!(is_known(&kept, 1, NOW));
    let newer = after(&kept, &[70, 71], &[], NOW + 2 * DAY, NOW);
    assert_eq!(newer.count(), MOST_KEYS as u64);
    assert!(
        [1, 70, 71]
            .iter()
            .all(|number| is_known(&newer, *number, NOW))
    );
}
