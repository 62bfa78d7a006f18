//! Where the spans of requests go.

use schemars::JsonSchema;
use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;
use super::value::{Count, HttpUrl};

/// One span per request, sent to a collector by OTLP over HTTP, as JSON. Only in a build with
/// `--features otlp`. A collector that is slow or away never delays a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tracing {
    /// Where the collector takes spans: an `http://` address with its path. Default: none are
    /// made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "http://127.0.0.1:4318/v1/traces")]
    pub endpoint: Option<Spanned<HttpUrl>>,
    /// One of so many traces that begin here is exported; 1 means all. A request that comes with
    /// a valid `traceparent` brings the decision with it.
    pub sample_one_in: Count,
}

impl Tracing {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let endpoint: Option<Spanned<HttpUrl>> = section.optional("endpoint");
        let sample_one_in = section.or("sample_one_in", Count::new(1));
        let report = section.report();
        section.finish();
        if let Some(endpoint) = &endpoint {
            let problem = |message| Diagnostic::new(message, endpoint.span());
            if cfg!(not(feature = "otlp")) {
                let help = "build it with `cargo build --release --features otlp`, \
                            or leave `endpoint` out";
                report.add(problem("this build has no OTLP".to_owned()).help(help));
            } else if endpoint.is_https() {
                let message = format!("spans cannot be sent to \"{endpoint}\": it has TLS");
                let help = "write the http:// address of a collector on this machine, \
                            which can pass them on over TLS";
                report.add(problem(message).help(help));
            }
        }
        Self {
            endpoint,
            sample_one_in,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn problems(endpoint: &str) -> Option<String> {
        let text = format!(
            "server_name = \"example.com\"\nhomeserver = \"http://127.0.0.1:8008\"\n\
             [tracing]\nendpoint = \"{endpoint}\"\n"
        );
        let problems = Config::parse("test.toml", &text).err();
        problems.map(|problems| problems.to_string())
    }

    #[test]
    #[cfg(not(feature = "otlp"))]
    fn a_build_without_otlp_refuses_an_endpoint() {
        let problems = problems("http://127.0.0.1:4318/v1/traces").unwrap();
        assert!(problems.contains("this build has no OTLP"), "{problems}");
    }

    #[test]
    #[cfg(feature = "otlp")]
    fn a_build_with_otlp_wants_an_address_without_tls() {
        assert_eq!(problems("http://127.0.0.1:4318/v1/traces"), None);
        let problems = problems("https://collector.test/v1/traces").unwrap();
        assert!(problems.contains("it has TLS"), "{problems}");
    }
}
