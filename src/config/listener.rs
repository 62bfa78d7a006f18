//! The sockets that are opened.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::{Span, Spanned};
use super::value::{ListenAddress, Network};
use crate::matrix::Profile;

/// A socket, or several of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listener {
    /// Where it listens: `"*:443"` (IPv4 and IPv6), `"192.0.2.1:443"`,
    /// `"[2001:db8::1]:443"` or `"unix:/path"`; one, or a list of them.
    #[schemars(transform = super::schema::or_one, example = "*:443")]
    pub address: Vec<Spanned<ListenAddress>>,
    /// Whether connections begin with TLS. Default: on ports 443 and 8448.
    #[schemars(example = true)]
    pub tls: bool,
    /// Which requests it takes. Default: `"redirect"` on port 80, `"federation"`
    /// on port 8448, else `"both"`.
    #[schemars(example = &"both")]
    pub profile: Profile,
    /// Networks of load balancers whose connections begin with a PROXY protocol
    /// header (version 1 or 2), which they then must.
    #[schemars(example = ["10.0.0.0/8"])]
    pub proxy_protocol: Vec<Network>,
    /// A PEM file with authorities: who connects must show a certificate that one
    /// of them signed. For partners, or for administration; clients and other
    /// servers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "path", example = "/etc/vestibule/partners.pem")]
    pub client_ca: Option<Spanned<PathBuf>>,
}

impl Listener {
    /// A listener of which nothing but the address is written.
    fn on(address: Spanned<ListenAddress>) -> Self {
        Self {
            tls: default_tls(&address),
            profile: default_profile(&address),
            address: vec![address],
            proxy_protocol: Vec::new(),
            client_ca: None,
        }
    }

    pub(super) fn read_all(root: &mut Section<'_>) -> Vec<Self> {
        let place = root.place("listeners");
        let defaults = || {
            let ports = [80, 443, 8448].into_iter();
            ports.map(|port| Self::on(ListenAddress::Any { port }.into()))
        };
        match root.tables("listeners", Self::read) {
            Some(listeners) => {
                if let Some((span, 0)) = place {
                    let problem = Diagnostic::new("there is no listener", Some(span));
                    let help = "leave `listeners` out for ports 80, 443 and 8448";
                    root.report().add(problem.help(help));
                }
                listeners
            }
            None => defaults().collect(),
        }
    }

    fn read(mut section: Section<'_>) -> Option<Self> {
        let place = Some(section.span());
        let report = section.report();
        if !section.has("address") {
            section.missing_key("address", "address = \"*:443\"");
        }
        let is_empty = matches!(section.place("address"), Some((_, 0)));
        let address: Vec<Spanned<ListenAddress>> =
            section.one_or_list("address").unwrap_or_default();
        if is_empty {
            let problem = Diagnostic::new("`address` is empty", place);
            report.add(problem.help("write address = \"*:443\""));
        }
        let tls = or_by_port(&mut section, "tls", &address, default_tls);
        let profile = or_by_port(&mut section, "profile", &address, default_profile);
        let proxy_protocol: Vec<Network> = section.list("proxy_protocol").unwrap_or_default();
        let client_ca = section.path("client_ca");
        if let Some(file) = &client_ca {
            report.must_be_file(file);
        }
        section.finish();
        let listener = Self {
            address,
            tls: tls?,
            profile: profile?,
            proxy_protocol,
            client_ca,
        };
        for problem in listener.problems(place) {
            report.add(problem);
        }
        Some(listener)
    }

    fn problems(&self, place: Option<Span>) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        if self.tls && self.profile == Profile::Redirect {
            let message = "a listener with TLS cannot redirect to HTTPS: it is HTTPS";
            let problem = Diagnostic::new(message, place);
            problems.push(problem.help("write tls = false, or another profile"));
        }
        if let Some(file) = self.client_ca.as_ref().filter(|_| !self.tls) {
            let problem = Diagnostic::new("`client_ca` means nothing without TLS", file.span());
            problems.push(problem.help("write tls = true, or leave `client_ca` out"));
        }
        let unix = |address: &&Spanned<ListenAddress>| matches!(***address, ListenAddress::Unix(_));
        let unix = self.address.iter().find(unix);
        if let Some(address) = unix.filter(|_| !self.proxy_protocol.is_empty()) {
            let message = "`proxy_protocol` names networks, and a unix socket has none";
            let help = "make it a listener of its own, and list \"unix\" in trusted_proxies \
                        if X-Forwarded-For is to be believed there";
            problems.push(Diagnostic::new(message, address.span()).help(help));
        }
        problems
    }
}

/// A key whose default follows from the port; addresses that disagree need it
/// written.
fn or_by_port<'a, T: Deserialize<'a> + Copy + PartialEq>(
    section: &mut Section<'a>,
    key: &'static str,
    addresses: &[Spanned<ListenAddress>],
    default: fn(&ListenAddress) -> T,
) -> Option<T> {
    if section.has(key) {
        return section.optional(key);
    }
    section.take(key);
    let (first, others) = addresses.split_first()?;
    let value = default(first);
    if let Some(other) = others.iter().find(|address| default(address) != value) {
        let message = format!("\"{first}\" and \"{other}\" differ in their default of `{key}`");
        let problem = Diagnostic::new(message, other.span());
        let help = format!("write `{key}`, or make them two [[listeners]]");
        section.report().add(problem.help(help));
    }
    Some(value)
}

fn default_tls(address: &ListenAddress) -> bool {
    matches!(address.port(), Some(443 | 8448))
}

fn default_profile(address: &ListenAddress) -> Profile {
    match address.port() {
        Some(80) => Profile::Redirect,
        Some(8448) => Profile::Federation,
        _ => Profile::Both,
    }
}
