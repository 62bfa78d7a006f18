//! Lists on web servers.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use super::file::LARGEST;
use super::{Content, Found};
use crate::listen::tls::crypto_provider;
use crate::matrix::BASE64;
use crate::matrix::server_list::{self, InvalidServerList};

/// For one request and its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A signature in base64, with room for lines.
const LARGEST_SIGNATURE: usize = 1 << 10;
/// Longer ones are not kept.
const LONGEST_ETAG: usize = 256;
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION")));

/// A list on a web server.
pub struct UrlSource {
    url: Box<str>,
    /// With where the signature is.
    public_key: Option<([u8; 32], Box<str>)>,
    pool: Pool<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl UrlSource {
    /// The list at `url`, which is `https`, of a server that one of `roots` vouches for.
    pub fn new(url: &str, roots: Arc<RootCertStore>) -> Result<Self, rustls::Error> {
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
            url: url.into(),
            public_key: None,
            pool: Pool::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The same, where nothing is taken but what `public_key`, in base64, has signed. The signature
    /// is at `url`, or else where the list is, with `.sig` behind it.
    #[must_use]
    pub fn signed(mut self, public_key: &str, url: Option<&str>) -> Self {
        let key = BASE64.decode(public_key).ok();
        // What is no key has signed nothing.
        let key = key.and_then(|key| key.try_into().ok()).unwrap_or([0; 32]);
        let url = url.map_or_else(|| format!("{}.sig", self.url), str::to_owned);
        self.public_key = Some((key, url.into()));
        self
    }

    /// Tells this list from others. A list that need not be signed is another one.
    pub(super) fn identity(&self) -> String {
        match &self.public_key {
            Some((key, _)) => format!("{} signed by {}", self.url, BASE64.encode(key)),
            None => self.url.to_string(),
        }
    }

    /// Asks for the list; `etag` is that of the one that is known.
    pub(super) async fn look(&self, etag: Option<&str>) -> Result<Found, String> {
        let Some((text, etag)) = self.ask(&self.url, etag, LARGEST).await? else {
            return Ok(Found::Same);
        };
        if let Some((key, url)) = &self.public_key {
            let answer = self.ask(url, None, LARGEST_SIGNATURE).await;
            let answer = answer.map_err(|problem| format!("the signature: {problem}"))?;
            let (signature, _) = answer.unwrap_or_default();
            if !is_signed(&text, &signature, key) {
                return Err("the signature is wrong".to_owned());
            }
        }
        let patterns = server_list::parse(&text).map_err(|error| without_text(&error))?;
        Ok(Found::New(Content {
            patterns,
            skipped: 0,
            etag,
        }))
    }

    /// The body and its `ETag`; `None` where it is the one that is known.
    async fn ask(
        &self,
        url: &str,
        etag: Option<&str>,
        most: usize,
    ) -> Result<Option<(Bytes, Option<Box<str>>)>, String> {
        let mut request = Request::get(url).header(USER_AGENT, AGENT);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let request = request.body(Empty::new()).map_err(|e| e.to_string())?;
        let asked = tokio::time::timeout(TIMEOUT, self.answer(request, most)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {} seconds", TIMEOUT.as_secs())))
    }

    async fn answer(
        &self,
        request: Request<Empty<Bytes>>,
        most: usize,
    ) -> Result<Option<(Bytes, Option<Box<str>>)>, String> {
        let is_conditional = request.headers().contains_key(IF_NONE_MATCH);
        let answer = self.pool.request(request).await;
        let (head, body) = answer.map_err(|error| with_causes(&error))?.into_parts();
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if is_conditional => return Ok(None),
            other => return Err(format!("it is answered with status {}", other.as_u16())),
        }
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|_| format!("it is cut short, or longer than {most} bytes"))?;
        let etag = head.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.filter(|etag| etag.len() <= LONGEST_ETAG);
        Ok(Some((body.to_bytes(), etag.map(Box::from))))
    }
}

/// Whether `signature`, as it is or in base64, is that of `text` by `key`.
fn is_signed(text: &[u8], signature: &[u8], key: &[u8; 32]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    if signature.len() == 64 {
        return key.verify(text, signature).is_ok();
    }
    let letters: Vec<u8> = signature
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
        .collect();
    let padded = [&letters[..], &b"=="[..]].concat();
    let decoded = STANDARD.decode(padded);
    decoded.is_ok_and(|signature| key.verify(text, &signature).is_ok())
}

/// The error with nothing of what somebody else wrote.
fn without_text(error: &InvalidServerList) -> String {
    match error {
        InvalidServerList::Entry { place, number, .. } => {
            format!("{place} {number} names no server")
        }
        other => other.to_string(),
    }
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

impl fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
