//! The requests of `tests/synapse/signed_requests.py`, of which Synapse's own code has said what they are.

use base64::Engine as _;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::matrix::{BASE64, Credentials, credentials};

#[derive(Deserialize)]
struct Fixture {
    origin: String,
    destination: String,
    keys: std::collections::HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    target: String,
    authorization: Vec<String>,
    body: Option<String>,
    base64: Option<String>,
    /// The origin that it takes the request for, or the status with which it refuses it.
    synapse: serde_json::Value,
}

fn fixture() -> Fixture {
    let text = include_str!("../../../tests/fixtures/matrix/signed-requests.json");
    serde_json::from_str(text).unwrap()
}

impl Fixture {
    /// Begins to verify a request; `None` where it is not clear who sends it, or no such key is published.
    fn verification(&self, case: &Case, limit: usize) -> Option<Verification> {
        let headers = case.authorization.iter().map(String::as_bytes);
        let Credentials::Clear(x_matrix) = credentials(headers) else {
            return None;
        };
        let key = self.keys.get(x_matrix.key_id())?;
        if x_matrix.origin().as_sent() != self.origin {
            return None;
        }
        let key = BASE64.decode(key).unwrap().try_into().unwrap();
        let key = VerifyKey::new(&key).unwrap();
        let request = SignedRequest {
            method: &case.method,
            target: case.target.as_bytes(),
            destination: &self.destination,
        };
        Some(Verification::begin(&request, &x_matrix, &key, limit))
    }
}

impl Case {
    fn body(&self) -> Vec<u8> {
        match (&self.body, &self.base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(base64)) => BASE64.decode(base64).unwrap(),
            _ => panic!("{} has one body", self.name),
        }
    }

    /// What Synapse's answer is called here.
    fn expected(&self) -> Verdict {
        match (self.synapse.as_str(), self.synapse.as_u64()) {
            (Some(origin), _) => Verdict::Verified(VerifiedOrigin(origin.parse().unwrap())),
            (None, Some(401)) => Verdict::Wrong,
            (None, Some(400 | 500)) => Verdict::Unknown(WhyUnknown::NotJson),
            _ => panic!("{} has no answer that is known", self.name),
        }
    }
}

#[test]
fn requests_are_verified_exactly_where_synapse_accepts_them() {
    let fixture = fixture();
    let mut judged = 0;
    for case in &fixture.cases {
        let Some(mut verification) = fixture.verification(case, 1 << 20) else {
            // Where it is not clear who sends a request, Synapse may believe what nobody should rely upon.
            let is_ambiguous = case.name.contains("header");
            assert!(is_ambiguous || !case.synapse.is_string(), "{}", case.name);
            continue;
        };
        verification.update(&case.body());
        assert_eq!(verification.finish(), case.expected(), "{}", case.name);
        judged += 1;
    }
    assert!(judged > 380, "only {judged} cases");
}

/// Without a body that is kept, what is not canonical is unknown, and nothing else changes.
#[test]
fn a_canonical_body_is_verified_without_being_kept() {
    let fixture = fixture();
    for case in &fixture.cases {
        let Some(mut verification) = fixture.verification(case, 0) else {
            continue;
        };
        let body = case.body();
        for piece in body.chunks(7) {
            verification.update(piece);
        }
        let verdict = verification.finish();
        let kind = case.name.split([' ', ',']).next().unwrap();
        let is_canonical = match kind {
            // The last one has a name of 20 kB.
            "canonical" => body.len() < 20_000,
            "target" | "signature" | "point" | "destination" | "put" => true,
            "rewritten" | "unwritable" | "unreadable" => false,
            _ => verdict != Verdict::Unknown(WhyUnknown::TooLarge),
        };
        let expected = match is_canonical {
            true => case.expected(),
            false if body.is_empty() => Verdict::Unknown(WhyUnknown::NotJson),
            false => Verdict::Unknown(WhyUnknown::TooLarge),
        };
        assert_eq!(verdict, expected, "{}", case.name);
    }
}

#[test]
fn a_target_that_is_not_ascii_is_left_to_the_homeserver() {
    let fixture = fixture();
    let mut case = fixture.cases.into_iter().next().unwrap();
    case.target.push('ä');
    let fixture = self::fixture();
    let verification = fixture.verification(&case, 0).unwrap();
    assert_eq!(verification.finish(), Verdict::Unknown(WhyUnknown::Target));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn a_verdict_does_not_depend_on_the_pieces(
        index in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let fixture = fixture();
        let case = index.get(&fixture.cases);
        let body = case.body();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        if let Some(mut verification) = fixture.verification(case, 1 << 20) {
            for cut in cuts.windows(2) {
                verification.update(&body[cut[0]..cut[1]]);
            }
            prop_assert_eq!(verification.finish(), case.expected(), "{}", case.name);
        }
    }
}
