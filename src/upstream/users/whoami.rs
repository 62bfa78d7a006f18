//! The question whose a token is, in the client's name.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::super::{Deadlines, Inquiry, Pool, Upstream};
use crate::message::{Fields, Protocol, RequestHead};

/// Who shows an access token.
///
/// Synapse notes the address and the program that a token was last used from, and shows both to
/// the user: so the question has to bear those of the client.
#[derive(Clone, Copy)]
pub struct Bearer<'a> {
    /// The host of the homeserver's server name. Tokens of one are not those of another.
    pub host: &'a str,
    /// The token, as it was found in the request.
    pub token: &'a [u8],
    /// The client's address.
    pub client: IpAddr,
    /// The client's `User-Agent`, as it came.
    pub user_agent: Option<&'a [u8]>,
}

/// Why there is no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoUser {
    /// The homeserver does not know the token, or does not let its user in.
    Refused,
    /// It was not to be had, or said something else.
    Failed,
}

const WHOAMI: &[u8] = b"/_matrix/client/v3/account/whoami";
/// Bytes of an answer; that of Synapse has about a hundred.
const LARGEST_ANSWER: usize = 4 << 10;
/// Bytes of a token that is asked about. Synapse's have about 50, the longest of others a few
/// hundred.
const LONGEST_TOKEN: usize = 2 << 10;

/// The localpart of the user whose token it is.
pub(super) async fn ask(
    pool: &Pool,
    homeserver: &Upstream,
    deadlines: &Deadlines,
    bearer: &Bearer<'_>,
    within: Duration,
) -> Result<Vec<u8>, NoUser> {
    let head = question(bearer).ok_or(NoUser::Refused)?;
    let inquiry = Inquiry {
        head: &head,
        body: Bytes::new(),
        most: LARGEST_ANSWER,
        within,
    };
    let asked = pool.ask(homeserver, deadlines, &inquiry);
    let (answer, body) = asked.await.map_err(|_| NoUser::Failed)?;
    match answer.status {
        StatusCode::OK => localpart(&body).ok_or(NoUser::Failed),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(NoUser::Refused),
        _ => Err(NoUser::Failed),
    }
}

/// `None` where the token cannot stand in a header, as one from a query may not.
fn question(bearer: &Bearer<'_>) -> Option<RequestHead> {
    let is_token = bearer.token.iter().all(u8::is_ascii_graphic);
    if !is_token || bearer.token.len() > LONGEST_TOKEN {
        return None;
    }
    let mut fields = Fields::default();
    fields.push("Host", bearer.host);
    fields.push("Authorization", [b"Bearer ", bearer.token].concat());
    fields.push("X-Forwarded-For", bearer.client.to_string());
    fields.push("X-Forwarded-Proto", "https");
    if let Some(user_agent) = bearer.user_agent {
        fields.push("User-Agent", user_agent);
    }
    Some(RequestHead {
        method: Method::GET,
        target: WHOAMI.into(),
        protocol: Protocol::Http11,
        fields,
    })
}

#[derive(Deserialize)]
struct WhoAmI {
    user_id: String,
}

/// `alice` of `{"user_id": "@alice:example.org"}`.
fn localpart(body: &[u8]) -> Option<Vec<u8>> {
    let answer: WhoAmI = serde_json::from_slice(body).ok()?;
    let (localpart, _) = answer.user_id.strip_prefix('@')?.split_once(':')?;
    Some(localpart.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_asked_in_the_clients_name() {
        let bearer = Bearer {
            host: "example.org",
            token: b"mat_secret",
            client: "192.0.2.7".parse().unwrap(),
            user_agent: Some(b"Element/1"),
        };
        let head = question(&bearer).unwrap();
        let fields = "Host: example.org\r\nAuthorization: Bearer mat_secret\r\n\
            X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nUser-Agent: Element/1\r\n";
        assert_eq!(head.fields.wire(), fields.as_bytes());
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_token() {
        let long = vec![b'a'; LONGEST_TOKEN + 1];
        for token in [&b"a\r\nX: y"[..], b"a b", b"\xff", b"a\0", &long] {
            let bearer = Bearer {
                host: "example.org",
                token,
                client: "192.0.2.7".parse().unwrap(),
                user_agent: None,
            };
            assert!(question(&bearer).is_none(), "{token:?}");
        }
    }

    #[test]
    fn the_localpart_is_what_stands_before_the_colon() {
        for (body, expected) in [
            (
                r#"{"user_id": "@alice:example.org", "x": 1}"#,
                Some("alice"),
            ),
            (r#"{"user_id": "@a=/+b:h:8448"}"#, Some("a=/+b")),
            (r#"{"user_id": "alice:example.org"}"#, None),
            (r#"{"user_id": "@alice"}"#, None),
            (r#"{"device_id": "X"}"#, None),
            ("", None),
        ] {
            let found = localpart(body.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{body}");
        }
    }
}
