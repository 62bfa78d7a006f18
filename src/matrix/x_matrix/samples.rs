//! Headers as nobody should write them: valid ones, bent in every way that a reader might take
//! differently.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The 64 bytes 0 to 63, as servers write them.
pub(super) const SIGNATURE: &str =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw";

/// Values of `Authorization` headers, each with a scheme that somebody might take for `X-Matrix`.
pub(super) fn header() -> impl Strategy<Value = Vec<u8>> {
    let text = (scheme(), parameters()).prop_map(|(scheme, parameters)| scheme + &parameters);
    let bends = prop_oneof![
        6 => Just(Vec::new()),
        3 => proptest::collection::vec(bend(), 1),
        1 => proptest::collection::vec(bend(), 2..4),
    ];
    (text, bends).prop_map(|(text, bends)| {
        let mut bytes = text.into_bytes();
        for (at, removed, inserted) in bends {
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, inserted.iter().copied());
        }
        bytes
    })
}

/// A place, how many bytes to take away there, and what to put there.
fn bend() -> impl Strategy<Value = (Index, usize, &'static [u8])> {
    const PIECES: &[&[u8]] = &[
        b"",
        b"\"",
        b"\\",
        b",",
        b"=",
        b" ",
        b"\t",
        b"X-Matrix ",
        b"a",
        b".",
        b":",
        b"\0",
        b"\xff",
        b"%2c",
        b"'",
        b";",
        "\u{212a}".as_bytes(),
        "\u{a0}".as_bytes(),
        b"origin=b.example,",
    ];
    (any::<Index>(), 0..3_usize, select(PIECES))
}

fn scheme() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => Just("X-Matrix "),
        1 => select(&[
            "X-Matrix  ", "X-Matrix\t", "X-Matrix", "x-matrix ", "X-MATRIX ", "X-Matrix2 ",
            "X-Matrix ,", "Bearer t, X-Matrix ", "Basic a=b, X-Matrix ", "X-Matrix t, X-Matrix ",
            "Digest a=\"X-Matrix ", "Bearer ",
        ][..]),
    ]
    .prop_map(str::to_owned)
}

type Texts = &'static [&'static str];

/// What a parameter may say, and what it should not.
const ORIGINS: (Texts, Texts) = (
    &["a.example", "A.Example:8448", "[::1]:8448", "1.2.3.4"],
    &[
        "a_b",
        "",
        "-a",
        "a:",
        "a:+1",
        "a,b",
        "a.example b",
        "1.2.3.400",
    ],
);
const DESTINATIONS: (Texts, Texts) = (&["d.example", "D.example:1"], &["", "d=e", "d\\.example"]);
const KEYS: (Texts, Texts) = (
    &["ed25519:a_1", "ed25519:-/+=x"],
    &[
        "ed25519",
        "ed25519:",
        "rsa:1",
        "",
        "ed25519:a,origin=b.example",
    ],
);
const SIGNATURES: (Texts, Texts) = (&[SIGNATURE], &["", "AAAA", "AAEC AwQF", "!", URL_SAFE]);
const URL_SAFE: &str =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw";
/// Parameters that have no business beside those.
const ODD: Texts = &[
    "origin=b.example",
    "Origin=\"b.example\"",
    "orig\\in=b",
    "x=\"y,origin=b.example,z\"",
    "key=ed25519:b",
    "\u{212a}ey=ed25519:b",
    "destination=c.example",
    "foo=\"\\\"",
    "origin*=b.example",
    "foo=bar",
    "foo=\"\"",
    "foo",
    "=",
    "",
];
const COMMAS: Texts = &[", ", " ,", ",\t", "\t, ", ",,", ";", " "];

fn parameters() -> impl Strategy<Value = String> {
    let all = (
        parameter("origin", ORIGINS),
        parameter("key", KEYS),
        parameter("sig", SIGNATURES),
        proptest::option::weighted(0.8, parameter("destination", DESTINATIONS)),
        proptest::option::weighted(0.15, select(ODD).prop_map(str::to_owned)),
    );
    let all = all.prop_map(|(origin, key, signature, destination, odd)| {
        let all = [Some(origin), Some(key), Some(signature), destination, odd];
        all.into_iter().flatten().collect::<Vec<_>>()
    });
    let comma = prop_oneof![12 => Just(","), 1 => select(COMMAS)];
    (all.prop_shuffle(), comma).prop_map(|(all, comma)| all.join(comma))
}

fn parameter(name: &'static str, (good, odd): (Texts, Texts)) -> impl Strategy<Value = String> {
    let shape = prop_oneof![
        8 => Just(("", "=\"", "\"")),
        4 => Just(("", "=", "")),
        1 => select(&[
            ("", "=\"", ""), ("", "=", "\""), ("", "=\"\"", "\"\""), ("", "=\"\\", "\""), ("", "=\"", "\\\""),
            ("", "=\"", "\" "), ("", "= \"", "\""), ("", " =\"", "\""), (" ", "=\"", "\""), ("", "=\"", "\"x"),
            ("", "='", "'"), ("", ":", ""), ("", "=\"", "=="), ("", "=\"", "==\""), ("", "=", "="), ("", "", ""),
        ][..]),
    ];
    let value = prop_oneof![9 => select(good), 1 => select(odd)];
    let name = prop_oneof![15 => Just(name.to_owned()), 1 => Just(name.to_ascii_uppercase())];
    (name, shape, value).prop_map(|(name, (before, between, after), value)| {
        format!("{before}{name}{between}{value}{after}")
    })
}
