//! What each refusal and each failure looks like: to the client, in the log
//! and in metrics. One exhaustive match each; a new variant must decide all.

use http::StatusCode;
use tracing::Level;

use super::failure::Failure;
use crate::matrix::Errcode;
use crate::policy::Refusal;

/// An error answer of ours, and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The Matrix error code.
    pub errcode: Errcode,
    /// One sentence for whoever reads the body.
    pub message: &'static str,
    /// The `reason` of logs and metrics.
    pub reason: &'static str,
    /// `Allow`, where the method was the trouble.
    pub allow: Option<&'static str>,
    /// Seconds after which it may go better; for clients, since homeservers
    /// do not read it.
    pub retry_after: Option<u16>,
    /// How loud the log is about it.
    pub level: Level,
}

/// Seconds after which a server may come again that shall not come at all.
const TARPIT: u16 = 3600;

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        use Errcode::{Forbidden, LimitExceeded, TooLarge, Unauthorized, Unknown, Unrecognized};
        #[rustfmt::skip]
        let (status, errcode, reason, message) = match refusal {
            Refusal::NotOurHost => (421, Unrecognized, "unknown_host", "No site is served under this host name"),
            Refusal::NothingHere => (404, Unrecognized, "not_served", "Unrecognized request"),
            Refusal::EscapesPrefix => (404, Unrecognized, "escapes_prefix", "Unrecognized request"),
            Refusal::MethodNotAllowed => (405, Unrecognized, "method_not_allowed", "This document answers GET, HEAD and OPTIONS only"),
            Refusal::PlainHttp => (403, Forbidden, "plain_http", "Matrix is served over HTTPS only"),
            Refusal::BadTarget => (400, Unrecognized, "target", "The request target is malformed"),
            Refusal::TargetTooLong => (414, Unknown, "target_too_long", "The request target is too long"),
            Refusal::BadHost => (400, Unknown, "host_invalid", "The Host header is missing or malformed"),
            Refusal::BadHead => (400, Unknown, "bad_head", "The request head is malformed"),
            Refusal::HeadTooLarge => (431, Unknown, "head_too_large", "The request head is too large"),
            Refusal::TooManyFields => (431, Unknown, "too_many_fields", "The request head has too many fields"),
            Refusal::UnknownMethod => (501, Unrecognized, "unknown_method", "Unrecognized request method"),
            Refusal::RefusedMethod => (405, Unrecognized, "refused_method", "Unrecognized request method"),
            Refusal::BadExpectation => (417, Unknown, "expectation", "Only 100-continue can be expected"),
            Refusal::TooManyRequests => (429, LimitExceeded, "requests_per_address", "Too many requests at once from this address"),
            Refusal::TooManyWaiting => (429, LimitExceeded, "too_many_waiting", "Too many requests wait for this server"),
            Refusal::OverBudget => (429, LimitExceeded, "over_budget", "Too many requests of this kind at once"),
            // As Synapse says it.
            Refusal::NoCredentials => (401, Unauthorized, "no_credentials", "Missing Authorization headers"),
            Refusal::WrongSignature => (401, Unauthorized, "wrong_signature", "The signature of the request is wrong"),
            Refusal::Unproven => (401, Unauthorized, "unproven", "The signature of the request could not be verified"),
            Refusal::OriginForbidden => (403, Forbidden, "origin_forbidden", "This server does not federate with yours"),
            Refusal::OriginUnauthorized => (401, Unauthorized, "origin_unauthorized", "This server does not federate with yours"),
            Refusal::OriginTarpit => (429, LimitExceeded, "origin_tarpit", "Too many requests"),
            Refusal::AmbiguousOrigin => (400, Unauthorized, "ambiguous_origin", "Malformed Authorization header"),
            Refusal::WrongDestination => (401, Unauthorized, "wrong_destination", "Destination mismatch in auth header"),
            Refusal::BodyTooLarge => (413, TooLarge, "body_too_large", "The request body is larger than this server accepts"),
            Refusal::TooManyServers => (413, TooLarge, "too_many_servers", "The keys of too many servers are asked for at once"),
            Refusal::BadBody => (400, Unknown, "bad_body", "The framing of the request body is malformed"),
            Refusal::BodyTooSlow => (408, Unknown, "body_too_slow", "The request body did not arrive in time"),
        };
        Self {
            status: known(status),
            errcode,
            message,
            reason,
            allow: allowed(refusal),
            retry_after: wait_of(refusal),
            level: Level::DEBUG,
        }
    }
}

fn allowed(refusal: Refusal) -> Option<&'static str> {
    if refusal == Refusal::MethodNotAllowed {
        Some("GET, HEAD, OPTIONS")
    } else if refusal == Refusal::RefusedMethod {
        Some("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")
    } else {
        None
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        #[rustfmt::skip]
        let (status, reason, message, level) = match failure {
            Failure::Unreachable => (502, "upstream_unreachable", "The server behind this path cannot be reached", Level::WARN),
            Failure::Down => (503, "upstream_down", "The homeserver cannot be reached", Level::WARN),
            Failure::Busy => (503, "upstream_busy", "The homeserver has too much to do", Level::DEBUG),
            Failure::Silent => (504, "upstream_timeout", "The homeserver did not answer in time", Level::WARN),
            Failure::BadAnswer => (502, "upstream_bad_answer", "The homeserver gave no valid answer", Level::WARN),
            Failure::Closed => (502, "upstream_closed", "The homeserver closed the connection before it answered", Level::WARN),
            Failure::Internal => (500, "internal", "Internal error of the front door", Level::ERROR),
            Failure::Cut => (503, "cut_by_stop", "The server is going down", Level::DEBUG),
            Failure::ClientGone => (499, "client_gone", "The client closed the connection", Level::DEBUG),
            Failure::ClientStalled => (499, "client_stalled", "The client took no more bytes", Level::DEBUG),
        };
        Self {
            status: known(status),
            errcode: Errcode::Unknown,
            message,
            reason,
            allow: None,
            retry_after: retry_after(failure),
            level,
        }
    }
}

fn wait_of(refusal: Refusal) -> Option<u16> {
    if refusal == Refusal::TooManyRequests {
        Some(1)
    } else if matches!(refusal, Refusal::TooManyWaiting | Refusal::OverBudget) {
        Some(5)
    } else if refusal == Refusal::OriginTarpit {
        Some(TARPIT)
    } else {
        None
    }
}

fn retry_after(failure: Failure) -> Option<u16> {
    let passes = matches!(
        failure,
        Failure::Unreachable | Failure::Down | Failure::Busy | Failure::Closed
    );
    passes.then_some(5)
}

/// The status of a number that this file writes; 499 is nginx's for a client
/// that left, and stands in logs only.
const fn known(number: u16) -> StatusCode {
    match StatusCode::from_u16(number) {
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
