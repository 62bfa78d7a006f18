//! What others read in a header, beside ours. Synapse itself is asked by `tests/synapse`.

use proptest::prelude::*;
use ruma_server_util::authorization::XMatrix as Ruma;

use super::samples::{SIGNATURE, header};
use super::{Credentials, credentials};

/// Origin, key id, signature as text, and destination.
type Read = (String, String, String, Option<String>);

/// gomatrixserverlib's `ParseAuthorization`; until 2023 it left white space where it was.
fn dendrite(header: &str, trims: bool) -> Option<Read> {
    let space = |text: &str| {
        text.trim_matches(|c: char| trims && c.is_whitespace())
            .to_owned()
    };
    let (scheme, parameters) = header.split_once(' ')?;
    if scheme != "X-Matrix" {
        return None;
    }
    let mut read: [String; 4] = Default::default();
    for (name, value) in parameters
        .split(',')
        .filter_map(|pair| pair.split_once('='))
    {
        let value = space(value).trim_matches('"').to_owned();
        let names = ["origin", "key", "sig", "destination"];
        if let Some(at) = names.iter().position(|known| **known == space(name)) {
            read[at] = value;
        }
    }
    of(read).filter(|(origin, ..)| origin.parse::<super::ServerName>().is_ok())
}

/// mautrix-go's `ParseXMatrixAuth`.
fn mautrix(header: &str) -> Option<Read> {
    let mut read: [String; 4] = Default::default();
    let parameters = header.strip_prefix("X-Matrix ")?;
    for part in parameters.split(',').map(str::trim) {
        if part.matches('=').count() != 1 {
            continue;
        }
        let (name, value) = part.split_once('=')?;
        let names = ["origin", "key", "sig", "destination"];
        if let Some(at) = names
            .iter()
            .position(|known| **known == name.to_lowercase())
        {
            value.trim_matches('"').clone_into(&mut read[at]);
        }
    }
    of(read)
}

/// To these readers, what is empty is not there.
fn of([origin, key, signature, destination]: [String; 4]) -> Option<Read> {
    let is_whole = [&origin, &key, &signature]
        .iter()
        .all(|text| !text.is_empty());
    let destination = Some(destination).filter(|text| !text.is_empty());
    is_whole.then_some((origin, key, signature, destination))
}

fn ruma(header: &str) -> Option<(String, String, Vec<u8>, Option<String>)> {
    let read = Ruma::parse(header).ok()?;
    let destination = read.destination.map(|name| name.to_string());
    let signature = read.sig.into_inner();
    Some((
        read.origin.to_string(),
        read.key.to_string(),
        signature,
        destination,
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_clear_is_read_alike_by_all_who_read_it(header in header()) {
        let ours = credentials([&*header]);
        let Ok(text) = String::from_utf8(header) else {
            prop_assert!(!matches!(ours, Credentials::Clear(_)));
            return Ok(());
        };
        let Credentials::Clear(ours) = ours else {
            let is_seen = ruma(&text).is_some() || dendrite(&text, true).is_some();
            prop_assert!(ours == Credentials::Ambiguous || !is_seen, "{text:?}");
            return Ok(());
        };
        let (origin, key) = (ours.origin().as_sent().to_owned(), ours.key_id().to_owned());
        let destination = ours.destination().map(str::to_owned);
        let theirs = [dendrite(&text, false), dendrite(&text, true), mautrix(&text)];
        for (o, k, _, d) in theirs.into_iter().flatten() {
            prop_assert_eq!((&o, &k, &d), (&origin, &key, &destination), "{:?}", text);
        }
        if let Some(theirs) = ruma(&text) {
            let signature = ours.signature().to_vec();
            prop_assert_eq!(theirs, (origin, key, signature, destination), "{:?}", text);
        }
    }

    #[test]
    fn what_servers_write_is_clear(
        origin in "[a-z][a-z0-9-]{0,20}[a-z0-9](\\.[a-z]{1,20}){0,3}(:[1-9][0-9]{0,3})?",
        key in "[a-zA-Z0-9_]{1,40}",
        signature in any::<[[u8; 32]; 2]>(),
    ) {
        use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
        use ruma_common::serde::Base64;
        let key = format!("ed25519:{key}");
        let bytes = signature.concat();
        let signature = STANDARD_NO_PAD.encode(&bytes);
        let name = |text: &str| ruma_common::OwnedServerName::try_from(text).unwrap();
        let by_ruma = Ruma::new(
            name(&origin), name("d.example"), key.as_str().try_into().unwrap(), Base64::new(bytes.clone()),
        ).to_string();
        let by_dendrite = format!(
            "X-Matrix origin=\"{origin}\",key=\"{key}\",sig=\"{signature}\",destination=\"d.example\"");
        let by_mautrix = format!(
            "X-Matrix origin=\"{origin}\",destination=\"d.example\",key=\"{key}\",sig=\"{signature}\"");
        for header in [by_ruma, by_dendrite, by_mautrix] {
            let Credentials::Clear(read) = credentials([header.as_bytes()]) else {
                return Err(TestCaseError::fail(header));
            };
            prop_assert_eq!(read.origin().as_sent(), &origin);
            prop_assert_eq!(read.key_id(), &key);
            prop_assert_eq!(&read.signature()[..], &bytes);
            prop_assert_eq!(read.destination(), Some("d.example"));
        }
    }
}

#[test]
fn the_samples_hold_all_three_kinds() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut clear, mut ambiguous, mut none) = (0, 0, 0);
    for _ in 0..2000 {
        match credentials([&*header().new_tree(&mut runner).unwrap().current()]) {
            Credentials::Clear(_) => clear += 1,
            Credentials::Ambiguous => ambiguous += 1,
            Credentials::None => none += 1,
        }
    }
    assert!(
        clear > 200 && ambiguous > 500 && none > 5,
        "{clear} {ambiguous} {none}"
    );
    assert_eq!(SIGNATURE.len(), 86);
}
