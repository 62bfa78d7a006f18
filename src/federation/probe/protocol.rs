//! Which versions of TLS and of HTTP one address speaks.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Place;
use crate::federation::context::{Context, Failure};
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::legacy_tls;
use crate::federation::tls::{self, ONLY_12, ONLY_13, Offer, subject};

/// Asks for each version alone, for the old ones, for HTTP/2, and without a name. Says too whether
/// HTTP/2 is offered.
pub(in crate::federation) async fn check(
    context: &Context,
    place: &Place,
    names: &Names,
) -> (Findings, Option<bool>) {
    let with = |offer: Offer| async move {
        let _probe = context.probe().await;
        let shaken = context
            .shake_hands(place.address, &place.tls_name, offer)
            .await;
        shaken.map(|connected| connected.handshake)
    };
    let (only_12, only_13, http2, nameless, named, takes_old) = tokio::join!(
        with(Offer {
            versions: ONLY_12,
            ..Offer::default()
        }),
        with(Offer {
            versions: ONLY_13,
            ..Offer::default()
        }),
        with(Offer {
            alpn: &["h2", "http/1.1"],
            ..Offer::default()
        }),
        with(Offer {
            has_sni: false,
            ..Offer::default()
        }),
        with(Offer::default()),
        takes_old(context, place),
    );
    let mut findings = Findings::default();
    let at = place.address;
    for (result, version, fault) in [
        (only_12, "1.2", &fault::TLS_PROTO_NO_12),
        (only_13, "1.3", &fault::TLS_PROTO_NO_13),
    ] {
        if let Err(Failure::Tls(tls::Failure::Alert(_) | tls::Failure::Closed)) = result {
            findings.add(fault, format!("{at} does not speak TLS {version}"), names);
        }
    }
    if takes_old {
        findings.add(
            &fault::TLS_PROTO_OLD,
            format!("{at} accepts TLS 1.1 or 1.0"),
            names,
        );
    }
    if let (Ok(named), Ok(nameless)) = (named, nameless)
        && named.chain.first() != nameless.chain.first()
    {
        let seen = format!("{at} has another certificate for who sends no name");
        findings.add(&fault::TLS_NO_SNI, seen, names);
    }
    let offers_http2 = http2.ok().map(|http2| http2.alpn.as_deref() == Some(b"h2"));
    (findings, offers_http2)
}

async fn takes_old(context: &Context, place: &Place) -> bool {
    let _probe = context.probe().await;
    let Ok(mut stream) = context.connect(place.address).await else {
        return false;
    };
    let name = match subject(&place.tls_name) {
        Some(rustls::pki_types::ServerName::DnsName(name)) => Some(name.as_ref().to_owned()),
        _ => None,
    };
    let hello = legacy_tls::client_hello(name.as_deref());
    let exchange = async {
        stream.write_all(&hello).await.ok()?;
        let mut answer = [0; 16];
        let mut length = 0;
        while let Some(rest) = answer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match stream.read(rest).await {
                Ok(read) if read > 0 => length += read,
                Ok(_) | Err(_) => break,
            }
        }
        answer.get(..length).map(legacy_tls::is_accepted)
    };
    let answered = tokio::time::timeout(context.options.timeout, exchange).await;
    matches!(answered, Ok(Some(true)))
}
