//! Signed requests of the server to itself: what arrives unchanged is answered, what does not is
//! a wrong signature. The homeserver knows its own keys, so nothing else can go wrong.

use bytes::Bytes;
use serde_json::json;

use super::Place;
use crate::federation::context::{Context, Failure};
use crate::federation::fault::{self, Fault, Severity};
use crate::federation::findings::{Findings, Names};
use crate::federation::http::{Answer, Body, Request};
use crate::federation::signing::SigningKey;
use crate::matrix::canonical_json::canonical;

/// An event that there is not, with escapes in lower case.
const LOWER_CASE: &str = "/_matrix/federation/v1/event/%24vestibule%3acheck%2f";
/// What a large transaction has.
const LARGE: usize = 2 << 20;

/// How a transaction is sent.
#[derive(Clone, Copy, Debug)]
enum Form {
    Whole,
    Chunked,
    Untyped,
}

/// In whose name requests are signed, and with what.
pub(in crate::federation) struct Signer<'a> {
    pub(in crate::federation) server_name: &'a str,
    pub(in crate::federation) key: &'a SigningKey,
    /// Seconds since 1970.
    pub(in crate::federation) now: i64,
}

/// A transaction without content, sent in one way.
struct Transaction {
    kind: &'static str,
    text: &'static str,
    /// So many bytes more.
    padding: usize,
    form: Form,
    fault: &'static Fault,
}

/// What is sent; where the first does not arrive, none does.
const TRANSACTIONS: [Transaction; 5] = [
    transaction("plain", "", 0, Form::Whole, &fault::SIG_PUT),
    transaction(
        "unicode",
        "Gr\u{fc}\u{df}e \u{1f600} \u{65e5}\u{672c}",
        0,
        Form::Whole,
        &fault::SIG_UNICODE,
    ),
    transaction("large", "", LARGE, Form::Whole, &fault::SIG_LARGE),
    transaction("chunked", "", 0, Form::Chunked, &fault::SIG_CHUNKED),
    transaction("untyped", "", 0, Form::Untyped, &fault::SIG_TYPE),
];

const fn transaction(
    kind: &'static str,
    text: &'static str,
    padding: usize,
    form: Form,
    fault: &'static Fault,
) -> Transaction {
    Transaction {
        kind,
        text,
        padding,
        form,
        fault,
    }
}

impl Signer<'_> {
    /// Sends everything, one after the other: a homeserver takes one transaction of an origin at
    /// a time.
    pub(in crate::federation) async fn check(
        &self,
        context: &Context,
        place: &Place,
        names: &Names,
    ) -> Findings {
        let mut findings = Findings::default();
        let names = &names.with("key_id", self.key.id());
        let gets = [
            (self.profile("vestibule-check"), &fault::SIG_REFUSED),
            (LOWER_CASE.to_owned(), &fault::PATH_CASE),
            (self.profile("vestibule-check+%2B"), &fault::PATH_QUERY),
        ];
        for (target, fault) in gets {
            let answer = place.ask(context, &self.get(place, &target)).await;
            if is_refused(&answer) {
                findings.add(
                    fault,
                    told(&answer, &format!("a signed GET {target}"), place),
                    names,
                );
            }
            if findings.has("sig.refused") {
                return findings;
            }
        }
        for (number, one) in TRANSACTIONS.iter().enumerate() {
            let answer = place.ask(context, &self.put(place, number, one)).await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                continue;
            }
            let seen = told(&answer, &format!("a signed PUT ({})", one.kind), place);
            if answer.is_ok_and(|answer| answer.status == 413) {
                findings.add_as(&fault::LIMITS_BODY, Severity::Error, seen, names);
            } else {
                findings.add(one.fault, seen, names);
            }
            if findings.has("sig.put") {
                break;
            }
        }
        findings
    }

    /// The profile of a user of this server whom there is not.
    fn profile(&self, user: &str) -> String {
        let server_name = self.server_name.replace(':', "%3A");
        format!("/_matrix/federation/v1/query/profile?user_id=%40{user}%3A{server_name}")
    }

    fn get(&self, place: &Place, target: &str) -> Request {
        let authorization = self
            .key
            .authorization(self.server_name, "GET", target, None);
        place.get(target).with("Authorization", authorization)
    }

    fn put(&self, place: &Place, number: usize, one: &Transaction) -> Request {
        let target = format!(
            "/_matrix/federation/v1/send/vestibule-check-{}-{number}",
            self.now
        );
        let content = json!({
            "origin": self.server_name,
            "origin_server_ts": self.now * 1000,
            "pdus": [],
            "edus": [],
            "vestibule_check": format!("{}{}", one.text, "x".repeat(one.padding)),
        });
        let authorization =
            self.key
                .authorization(self.server_name, "PUT", &target, Some(&content));
        let body = Bytes::from(canonical(&content));
        let request = place
            .get(target)
            .method("PUT")
            .with("Authorization", authorization);
        let typed = |request: Request| request.with("Content-Type", "application/json");
        match one.form {
            Form::Whole => typed(request).body(Body::Whole(body)),
            Form::Chunked => typed(request).body(Body::Chunked(body)),
            Form::Untyped => request.body(Body::Whole(body)),
        }
    }
}

/// Whether the signature did not fit, or the request did not come so far.
fn is_refused(answer: &Result<Answer, Failure>) -> bool {
    match answer {
        Ok(answer) => answer.status == 401 || !is_json(answer),
        Err(_) => true,
    }
}

/// Synapse's own answers are, also where they are empty.
fn is_json(answer: &Answer) -> bool {
    answer
        .field("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
}

fn told(answer: &Result<Answer, Failure>, what: &str, place: &Place) -> String {
    let at = place.address;
    match answer {
        Ok(answer) => format!("{at} answers {} to {what}", answer.summary()),
        Err(failure) => format!("{at} does not answer {what}: {failure}"),
    }
}
