//! Fetches the document from one address, following redirects as senders do.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::federation::certificate;
use crate::federation::context::{Context, Failure};
use crate::federation::findings::Names;
use crate::federation::http::{Answer, Request};
use crate::federation::tls::Offer;
use crate::federation::url::{Unusable, Url};

/// The origin of a page that asks across sites.
pub(in crate::federation) const ORIGIN: &str = "https://vestibule-check.invalid";
/// Nobody waits longer for all hops together: Synapse has a minute for the whole request.
const PATIENCE: Duration = Duration::from_mins(1);
/// Redirects that Synapse follows.
const MOST_REDIRECTS: usize = 20;

/// What one address answered in the end.
#[derive(Clone, Debug)]
pub(in crate::federation) struct Fetched {
    pub(in crate::federation) address: IpAddr,
    /// The URLs that were asked, with the status of each that sent elsewhere.
    pub(in crate::federation) hops: Vec<Hop>,
    pub(in crate::federation) result: Result<Answer, Failure>,
    /// Why a redirect cannot be followed.
    pub(in crate::federation) dead_end: Option<DeadEnd>,
    /// What is wrong with a certificate on the way.
    pub(in crate::federation) untrusted: Option<String>,
    pub(in crate::federation) took: Duration,
}

/// One URL on the way.
#[derive(Clone, Debug)]
pub(in crate::federation) struct Hop {
    pub(in crate::federation) url: Url,
    /// Status and `Location`, where it sends elsewhere.
    pub(in crate::federation) redirect: Option<(u16, String)>,
    /// How many CORS origins the answer allows; more than one is as bad as none.
    pub(in crate::federation) cors_origins: usize,
}

/// What to fetch, and as whom.
#[derive(Clone, Copy, Debug)]
pub(in crate::federation) struct Wanted<'a> {
    pub(in crate::federation) host: &'a str,
    pub(in crate::federation) path: &'static str,
    pub(in crate::federation) agent: &'static str,
    /// Whether a page of another site asks, as a browser tells it.
    pub(in crate::federation) is_browser: bool,
}

/// Why a redirect cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::federation) enum DeadEnd {
    /// It leads back.
    #[error("it leads back to {0}")]
    Loop(String),
    /// More than 20.
    #[error("there are more than {MOST_REDIRECTS} redirects")]
    Limit,
    /// Status 300, 304, 305: nobody follows those.
    #[error("nobody follows a redirect with status {0}")]
    Status(u16),
    /// No `Location`.
    #[error("it has no Location")]
    NoLocation,
    /// A `Location` that cannot be used.
    #[error("its Location {0:?} cannot be used: {1}")]
    Location(String, &'static str),
}

/// Fetches a document from `address`, and from wherever that sends.
pub(in crate::federation) async fn fetch(
    context: &Context,
    wanted: Wanted<'_>,
    address: IpAddr,
    now: i64,
) -> Fetched {
    let began = Instant::now();
    let mut fetched = Fetched {
        address,
        hops: Vec::new(),
        result: Err(Failure::Silent(Duration::ZERO)),
        dead_end: None,
        untrusted: None,
        took: Duration::ZERO,
    };
    let mut url = Url::https(wanted.host, wanted.path);
    while fetched.dead_end.is_none() && began.elapsed() < PATIENCE {
        let answer = ask(context, &url, wanted, now, &mut fetched).await;
        let redirect = answer
            .as_ref()
            .ok()
            .and_then(|answer| redirect(answer, &url));
        let cors_origins = answer.as_ref().map_or(0, cors_origins);
        fetched.result = answer;
        let Some((status, location, next)) = redirect else {
            fetched.hops.push(Hop {
                url,
                redirect: None,
                cors_origins,
            });
            break;
        };
        let redirect = Some((status, location));
        fetched.hops.push(Hop {
            url,
            redirect,
            cors_origins,
        });
        match next {
            Ok(next) if fetched.hops.iter().any(|hop| hop.url == next) => {
                fetched.dead_end = Some(DeadEnd::Loop(next.to_string()));
                break;
            }
            Ok(_) if fetched.hops.len() > MOST_REDIRECTS => {
                fetched.dead_end = Some(DeadEnd::Limit);
                break;
            }
            Ok(next) => url = next,
            Err(dead_end) => {
                fetched.dead_end = Some(dead_end);
                break;
            }
        }
    }
    fetched.took = began.elapsed();
    fetched
}

/// How many values `Access-Control-Allow-Origin` has.
pub(in crate::federation) fn cors_origins(answer: &Answer) -> usize {
    answer
        .fields
        .elements("access-control-allow-origin")
        .count()
}

type Redirect = (u16, String, Result<Url, DeadEnd>);

fn redirect(answer: &Answer, from: &Url) -> Option<Redirect> {
    if !answer.is_redirect() {
        return None;
    }
    let location = answer
        .fields
        .first("location")
        .map(crate::federation::text::printable);
    let next = match (&location, answer.status) {
        (_, status) if !matches!(status, 301 | 302 | 303 | 307 | 308) => {
            Err(DeadEnd::Status(status))
        }
        (None, _) => Err(DeadEnd::NoLocation),
        (Some(location), _) => from.join(location).map_err(|reason| {
            let why = match reason {
                Unusable::Scheme => "its scheme is neither http nor https",
                Unusable::Malformed => "it is no URL",
            };
            DeadEnd::Location(location.clone(), why)
        }),
    };
    Some((answer.status, location.unwrap_or_default(), next))
}

async fn ask(
    context: &Context,
    url: &Url,
    wanted: Wanted<'_>,
    now: i64,
    fetched: &mut Fetched,
) -> Result<Answer, Failure> {
    let _probe = context.probe().await;
    let mut request = Request::get(url.authority(), url.target.clone());
    request.agent = wanted.agent;
    if wanted.is_browser {
        request = request.with("Origin", ORIGIN);
    }
    let addresses = if fetched.hops.is_empty() {
        vec![fetched.address]
    } else {
        context.dns.addresses(&url.host, url.port).await.found
    };
    let mut failure = Failure::Connect(format!("{} has no address", url.host));
    for address in addresses {
        let address = SocketAddr::new(address, url.port);
        if !url.is_https {
            match context.connect(address).await {
                Ok(stream) => return context.send(stream, &request).await,
                Err(other) => failure = other,
            }
            continue;
        }
        match context
            .shake_hands(address, &url.host, Offer::default())
            .await
        {
            Ok(connected) => {
                let standard = context.standard(&url.host, now);
                let (at, names) = (url.authority(), Names::new(&url.host));
                let chain = &connected.handshake.chain;
                let found = certificate::judge(chain, &standard, &at, &names);
                if !found.are_harmless() {
                    let worst = found.into_sorted().into_iter().next();
                    fetched.untrusted = worst.and_then(|finding| finding.seen.into_iter().next());
                }
                return context.send(connected.stream, &request).await;
            }
            Err(other) => failure = other,
        }
    }
    Err(failure)
}
