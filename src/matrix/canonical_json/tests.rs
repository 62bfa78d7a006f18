use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// Whether a text is accepted that comes in pieces which end at some of these positions.
fn accepts(text: &[u8], cuts: &[prop::sample::Index]) -> bool {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    let mut check = CanonicalCheck::default();
    let mut pieces = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]);
    pieces.all(|piece| check.accepts(piece)) && check.is_complete()
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        "[a-c\"\\\\\n\0-\u{1f}é日\u{1f6aa}]{0,6}".prop_map(Value::from),
        "[ -~]{0,200}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            members(inner).prop_map(Value::Object),
        ]
    });
    members(value).prop_map(Value::Object)
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof!["[a-c]{0,3}", "[\"\\\\\n\u{1}!a-zä\u{ffff}\u{10000}]{0,3}"];
    prop::collection::btree_map(name, value, 0..6).prop_map(|members| {
        // Out of order.
        let mut members: Vec<_> = members.into_iter().collect();
        members.reverse();
        members.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn a_canonical_text_is_accepted_in_whatever_pieces(
        value in object(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let text = canonical(&value);
        prop_assert!(accepts(text.as_bytes(), &cuts), "{text}");
        prop_assert_eq!(canonicalised(text.as_bytes()), Ok(text));
    }

    #[test]
    fn what_is_written_otherwise_is_refused_and_written_anew(value in object()) {
        let (plain, pretty) = (value.to_string(), serde_json::to_string_pretty(&value).unwrap());
        let text = canonical(&value);
        prop_assert_eq!(accepts(plain.as_bytes(), &[]), plain == text);
        prop_assert_eq!(accepts(pretty.as_bytes(), &[]), pretty == text);
        prop_assert_eq!(canonicalised(plain.as_bytes()), Ok(text.clone()));
        prop_assert_eq!(canonicalised(pretty.as_bytes()), Ok(text));
    }

    /// Nothing is taken for canonical that would be written in another way, wherever it is cut.
    #[test]
    fn what_is_accepted_is_what_would_be_written(
        value in object(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..3),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut text = canonical(&value).into_bytes();
        for (position, byte, kind) in changes {
            let position = position.index(text.len().max(1));
            let byte = b"{}[]\",:\\0123456789-.eu tfna\x00\x1f\xc3\xa9\xff"
                .get(usize::from(byte) % 40).copied().unwrap_or(byte);
            match kind {
                0 if position < text.len() => text[position] = byte,
                1 if position < text.len() => { text.remove(position); }
                _ => text.insert(position, byte),
            }
        }
        let written = canonicalised(&text);
        let is_canonical = written.as_ref().is_ok_and(|w| w.as_bytes() == text && w.starts_with('{'));
        prop_assert_eq!(accepts(&text, &cuts), is_canonical, "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn utf8_is_known_in_whatever_pieces(
        text in prop::collection::vec(prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 1..3),
        ], 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = text.concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut utf8 = utf8::Utf8::default();
        let is_good = cuts.windows(2).all(|cut| utf8.accepts(&text[cut[0]..cut[1]]));
        prop_assert_eq!(is_good && utf8.is_complete(), str::from_utf8(&text).is_ok());
    }
}

#[test]
fn depth_and_names_are_bounded() {
    let deep = |depth: usize| {
        format!(
            "{{\"a\":{}{}}}",
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert!(accepts(deep(MOST_DEPTH).as_bytes(), &[]));
    assert!(canonicalised(deep(MOST_DEPTH).as_bytes()).is_ok());
    assert!(!accepts(deep(MOST_DEPTH + 1).as_bytes(), &[]));
    assert_eq!(
        canonicalised(deep(MOST_DEPTH + 1).as_bytes()),
        Err(NotCanonicalisable::TooDeep)
    );
    let named = |length: usize| format!("{{\"{}\":1}}", "a".repeat(length));
    assert!(accepts(named(16_000).as_bytes(), &[]));
    assert!(!accepts(named(17_000).as_bytes(), &[]));
    assert!(canonicalised(named(17_000).as_bytes()).is_ok());
}
