//! One address of the server: connection, certificate, and the signing keys over it.

use std::net::SocketAddr;

use super::Place;
use crate::federation::certificate;
use crate::federation::context::{Context, Failure};
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::http::Answer;
use crate::federation::keys::{self, Asking};
use crate::federation::report::Connection;
use crate::federation::text::printable;
use crate::federation::tls::{self, Offer};

/// The target of the signing keys.
const KEYS: &str = "/_matrix/key/v2/server";

/// What came of one address.
#[derive(Debug)]
pub(in crate::federation) struct Reached {
    pub(in crate::federation) place: Place,
    pub(in crate::federation) connection: Connection,
    /// Why nothing was answered.
    pub(in crate::federation) failure: Option<Failure>,
    /// Whether the keys were answered.
    pub(in crate::federation) has_keys: bool,
    pub(in crate::federation) findings: Findings,
}

/// Connects, judges the certificate, and asks for the keys.
pub(in crate::federation) async fn reach(
    context: &Context,
    place: Place,
    asking: &Asking<'_>,
) -> Reached {
    let _probe = context.probe().await;
    let mut reached = Reached {
        connection: Connection {
            address: place.address.to_string(),
            reached: "connect".to_owned(),
            ..Connection::default()
        },
        place,
        failure: None,
        has_keys: false,
        findings: Findings::default(),
    };
    if let Err(failure) = go(context, &mut reached, asking).await {
        reached.connection.problem = Some(failure.to_string());
        reached.failure = Some(failure);
    }
    reached
}

async fn go(context: &Context, reached: &mut Reached, asking: &Asking<'_>) -> Result<(), Failure> {
    let Place {
        address, tls_name, ..
    } = reached.place.clone();
    let names = named(asking.names, address);
    let connected = match context
        .shake_hands(address, &tls_name, Offer::default())
        .await
    {
        Ok(connected) => connected,
        Err(failure) => {
            if let Failure::Tls(why) = &failure {
                "tls".clone_into(&mut reached.connection.reached);
                handshake_failed(context, reached, why, &names).await;
            }
            return Err(failure);
        }
    };
    let connection = &mut reached.connection;
    "http".clone_into(&mut connection.reached);
    connection.connect_ms = u64::try_from(connected.took.as_millis()).ok();
    connection.tls_version = Some(connected.handshake.version.to_owned());
    connection.cipher_suite = Some(connected.handshake.suite.clone());
    connection.certificates = certificate::described(&connected.handshake.chain);
    let at = address.to_string();
    let standard = context.standard(&tls_name, asking.now);
    let of_chain = certificate::judge(&connected.handshake.chain, &standard, &at, &names);
    connection.certificates_are_valid = of_chain.are_harmless();
    reached.findings.extend(of_chain);
    let request = reached.place.get(KEYS);
    let answer = context.send(connected.stream, &request).await;
    let answer = answer.inspect_err(|failure| {
        let seen = format!("{at}: {failure}");
        reached.findings.add(&fault::HTTP_SILENT, seen, &names);
    })?;
    judge_answer(context, reached, &answer, asking, &names).await;
    Ok(())
}

/// Names of the address in remedies.
fn named(names: &Names, address: SocketAddr) -> Names {
    names
        .with("address", address.to_string())
        .with("port", address.port().to_string())
}

async fn handshake_failed(
    context: &Context,
    reached: &mut Reached,
    why: &tls::Failure,
    names: &Names,
) {
    let Place {
        address, tls_name, ..
    } = &reached.place;
    let at = reached.connection.address.clone();
    let only_http2 = Offer {
        alpn: &["h2"],
        ..Offer::default()
    };
    let speaks_http2 = matches!(why, tls::Failure::Alert(_) | tls::Failure::Closed)
        && context
            .shake_hands(*address, tls_name, only_http2)
            .await
            .is_ok();
    let (fault, seen) = if *why == tls::Failure::Plain {
        (&fault::TLS_PLAIN, format!("{at}: {why}"))
    } else if speaks_http2 {
        (
            &fault::TLS_PROTO_ALPN,
            format!("{at} refuses HTTP/1.1, and takes HTTP/2"),
        )
    } else {
        (&fault::TLS_HANDSHAKE, format!("{at}: {why}"))
    };
    reached.findings.add(fault, seen, names);
}

async fn judge_answer(
    context: &Context,
    reached: &mut Reached,
    answer: &Answer,
    asking: &Asking<'_>,
    names: &Names,
) {
    let at = reached.connection.address.clone();
    let seen = format!("{at} answers {} to GET {KEYS}", answer.summary());
    judge_clock(answer, &at, asking.now, names, &mut reached.findings);
    let findings = &mut reached.findings;
    if answer.status == 200 {
        "keys".clone_into(&mut reached.connection.reached);
        let connection = &mut reached.connection;
        let asking = Asking { names, ..*asking };
        findings.extend(keys::judge(answer, &asking, connection));
        reached.has_keys = !connection.keys.is_empty();
        return;
    }
    reached.connection.problem = Some(format!("the keys are answered with {}", answer.summary()));
    if answer.is_redirect() {
        let location = printable(answer.fields.first("location").unwrap_or_default());
        let seen = format!("{at} redirects GET {KEYS} to {location}");
        findings.add(
            &fault::HTTP_REDIRECT,
            seen,
            &names.with("location", location),
        );
        return;
    }
    let fault = match answer.status {
        _ if answers_to_bare_host(context, &reached.place).await => &fault::HTTP_HOST_PORT,
        502..=504 => &fault::HTTP_UPSTREAM,
        404 if answer.errcode().as_deref() == Some("M_UNRECOGNIZED") => &fault::HTTP_PREFIX,
        401 if answer.errcode().is_none() => &fault::AUTH_CHALLENGE,
        _ => &fault::HTTP_STATUS,
    };
    findings.add(fault, seen, names);
}

/// Whether the keys are answered where `Host` lacks its port.
async fn answers_to_bare_host(context: &Context, place: &Place) -> bool {
    if place.host_header == place.tls_name {
        return false;
    }
    let bare = Place {
        host_header: place.tls_name.clone(),
        ..place.clone()
    };
    let answer = context
        .shake_hands(place.address, &place.tls_name, Offer::default())
        .await;
    match answer {
        Ok(connected) => {
            let answer = context.send(connected.stream, &bare.get(KEYS)).await;
            answer.is_ok_and(|answer| answer.status == 200)
        }
        Err(_) => false,
    }
}

/// A minute is tolerated, an hour by nobody.
fn judge_clock(answer: &Answer, at: &str, now: i64, names: &Names, findings: &mut Findings) {
    let date = answer
        .field("date")
        .and_then(|date| httpdate::parse_http_date(date).ok());
    let date = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    let Some(date) = date.and_then(|date| i64::try_from(date.as_secs()).ok()) else {
        return;
    };
    let skew = date - now;
    if skew.abs() <= 60 {
        return;
    }
    let severity = if skew.abs() > 3600 {
        fault::Severity::Error
    } else {
        fault::Severity::Warning
    };
    let direction = if skew > 0 { "ahead" } else { "behind" };
    let seen = format!(
        "the clock of {at} is {} s {direction} of the one here",
        skew.abs()
    );
    findings.add_as(&fault::KEY_SKEW, severity, seen, names);
}
