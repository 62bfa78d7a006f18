//! How requests reach an authority: over HTTPS, bounded in time and size.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use rustls::{ClientConfig, RootCertStore};
use time::Duration;

use crate::listen::tls::crypto_provider;

/// For one request and its answer.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
/// Far more than a directory or a chain needs.
const LARGEST_ANSWER: usize = 256 << 10;
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION")));
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";

/// A client of one authority.
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No answer at all.
    #[error("{0}")]
    NoAnswer(String),
    /// None in time.
    #[error("no answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
    /// Half an answer, or too much of one.
    #[error("the answer is cut short, or longer than {LARGEST_ANSWER} bytes")]
    Body,
    /// An error as an answer.
    #[error("{}", .0.problem)]
    Answered(Answered),
}

/// An error as an authority tells it.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) problem: Problem,
    /// How long it asks us to wait.
    pub(super) retry_after: Option<Duration>,
}

impl Client {
    /// A client that trusts `roots`.
    pub(super) fn new(roots: Arc<RootCertStore>) -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(crypto_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self {
            pool: Pool::builder(TokioExecutor::new()).build(connector),
        })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        request.headers_mut().insert(USER_AGENT, AGENT);
        let pool = self.pool.clone();
        Box::pin(async move {
            let asked = tokio::time::timeout(TIMEOUT, ask(&pool, request)).await;
            let answer = asked.unwrap_or(Err(ClientError::Timeout));
            answer.map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

async fn ask(
    pool: &Pool<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, ClientError> {
    let answer = pool.request(request).await;
    let answer = answer.map_err(|error| ClientError::NoAnswer(with_causes(&error)))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await;
    let body = body.map_err(|_| ClientError::Body)?.to_bytes();
    if head.status.is_client_error() || head.status.is_server_error() {
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
            r#type: None,
            detail: Some(format!("HTTP status {}", head.status.as_u16())),
            status: Some(head.status.as_u16()),
            subproblems: Vec::new(),
        });
        // The library tries that one again by itself.
        if problem.r#type.as_deref() != Some(BAD_NONCE) {
            return Err(ClientError::Answered(Answered {
                problem,
                retry_after: retry_after(&head.headers, SystemTime::now()),
            }));
        }
    }
    Ok(Response::from_parts(head, Full::new(body)).into())
}

/// `Retry-After` in either form (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = i64::from_str(value) {
        return (seconds >= 0).then(|| Duration::seconds(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Duration::try_from(at.duration_since(now).unwrap_or_default()).ok()
}

/// An error with what lies behind it, which is what says anything.
fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_retry_after() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        for (value, expected) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("-5", None),
            ("Thu, 01 Jan 1970 00:17:40 GMT", Some(60)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            let expected = expected.map(Duration::seconds);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        }
    }
}
