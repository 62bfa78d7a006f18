//! The header rules, up and down.

use std::hint::black_box;

use http::{HeaderValue, StatusCode};
use vestibule::message::Fields;
use vestibule::policy::request_headers::for_upstream;
use vestibule::policy::response_headers::for_downstream;
use vestibule::policy::{ClientAddress, TrustedProxies};

use super::Hot;
use super::route::snapshot;

/// As Element Web sends them over HTTP/2, its cookie in two crumbs.
const REQUEST: &[(&str, &str)] = &[
    ("host", "matrix.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("accept", "application/json"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://app.example.com/"),
    (
        "authorization",
        "Bearer syt_YWxpY2U_abcdefghijklmnopqrst_0abcde",
    ),
    ("origin", "https://app.example.com"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-site"),
    ("priority", "u=4"),
];

/// What a stranger sends who wants to be somebody else.
const FORGED: &[(&str, &str)] = &[
    ("host", "matrix.example.com"),
    ("x-forwarded-for", "6.6.6.6, 7.7.7.7"),
    ("x-forwarded-host", "elsewhere.example"),
    ("x-real-ip", "6.6.6.6"),
    ("x_forwarded_for", "6.6.6.6"),
    ("forwarded", "for=6.6.6.6"),
    ("cookie", "a=1"),
    ("cookie", "b=2"),
];

/// As Synapse answers.
const RESPONSE: &[(&str, &str)] = &[
    ("server", "Synapse/1.163.0"),
    ("date", "Wed, 18 Nov 2026 11:06:40 GMT"),
    ("content-type", "application/json"),
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("access-control-allow-origin", "*"),
    (
        "access-control-allow-methods",
        "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    ),
    (
        "access-control-allow-headers",
        "X-Requested-With, Content-Type, Authorization, Date",
    ),
    ("connection", "keep-alive"),
    ("keep-alive", "timeout=60"),
    ("content-length", "214"),
];

pub(super) fn all() -> Vec<Hot> {
    vec![
        up("headers/up_browser", REQUEST),
        up("headers/up_forged", FORGED),
        down("headers/down", RESPONSE),
    ]
}

/// Who asks is part of it: it is read from the same fields.
fn up(name: &'static str, fields: &[(&'static str, &'static str)]) -> Hot {
    let fields: Fields = fields.iter().copied().collect();
    let trusted = TrustedProxies::default();
    Hot::new(name, move || {
        let fields = black_box(&fields);
        let client = ClientAddress::new(Some([192, 0, 2, 1].into()), true, fields, &trusted);
        black_box(for_upstream(fields, client, "0123456789abcdef", None));
    })
}

fn down(name: &'static str, fields: &[(&'static str, &'static str)]) -> Hot {
    let fields: Fields = fields.iter().copied().collect();
    let hsts = snapshot().hsts;
    Hot::new(name, move || {
        let hsts = hsts.as_ref().map(HeaderValue::as_bytes);
        black_box(for_downstream(StatusCode::OK, black_box(&fields), hsts));
    })
}
