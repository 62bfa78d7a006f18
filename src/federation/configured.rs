//! What a configuration says about where its servers are: on loopback, under their own names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::{ConnectTo, DnsSource, Options, Own, Resolve, UnusableRoots, roots};
use crate::config::{CertificateSource, Config, ListenAddress, Listener, Site};
use crate::matrix::Profile;

/// Where all names of the configuration are.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is checked, and with which options.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The server name.
    pub server_name: String,
    /// How.
    pub options: Options,
}

/// Why a configuration cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum NoSubject {
    /// Its own authority cannot be read.
    #[error("tls = \"internal\", and {0}: does the program run, and may you read it?")]
    Internal(UnusableRoots),
    /// Authorities cannot be read.
    #[error(transparent)]
    Roots(#[from] UnusableRoots),
    /// None of its listeners can be reached from here.
    #[error("no listener speaks TLS on a fixed TCP port without PROXY protocol")]
    Unreachable,
    /// It has no such site.
    #[error("the configuration has no site {0:?}")]
    Unknown(String),
}

/// The sites of a configuration, or the one of this server name, as `options` say and with further
/// authorities from files.
///
/// # Errors
/// When none of them can be checked.
pub fn subjects(
    config: &Config,
    only: Option<&str>,
    options: &Options,
    ca_files: &[PathBuf],
) -> Result<Vec<Subject>, NoSubject> {
    if !listening(config).any(|(_, address)| reachable(address).is_some()) {
        return Err(NoSubject::Unreachable);
    }
    let mut options = options.clone();
    options.dns = DnsSource::Nobody;
    options.allow_private = true;
    let mut files = ca_files.to_vec();
    files.extend(authorities(config));
    options.roots = Arc::new(match (&config.tls.source, roots(&files)) {
        (CertificateSource::Internal, Err(error)) => return Err(NoSubject::Internal(error)),
        (_, roots) => roots?,
    });
    let sites = config.sites.iter();
    let wanted = |site: &&Site| only.is_none_or(|name| site.server_name.as_str() == name);
    let subjects: Vec<_> = sites
        .filter(wanted)
        .map(|site| subject(config, site, &options))
        .collect();
    match only {
        Some(name) if subjects.is_empty() => Err(NoSubject::Unknown(name.to_owned())),
        _ => Ok(subjects),
    }
}

/// The files of the authorities that this configuration gets certificates from, where they are
/// not public ones.
fn authorities(config: &Config) -> Vec<PathBuf> {
    match &config.tls.source {
        CertificateSource::Internal => vec![config.state_folder.join("ca.pem")],
        CertificateSource::Acme(acme) => {
            let own = acme.authorities.iter();
            own.filter_map(|one| Some(one.ca.as_ref()?.to_path_buf()))
                .collect()
        }
        CertificateSource::Files => Vec::new(),
    }
}

/// Every address on which we can speak: TLS, and no PROXY header expected of this machine.
fn listening(config: &Config) -> impl Iterator<Item = (Profile, &ListenAddress)> {
    let is_open = |listener: &&Listener| {
        let mut from = listener.proxy_protocol.iter();
        listener.tls && !from.any(|network| network.net().contains(&HERE))
    };
    let listeners = config.listeners.iter().filter(is_open);
    listeners.flat_map(|listener| {
        listener
            .address
            .iter()
            .map(|one| (listener.profile, &**one))
    })
}

fn subject(config: &Config, site: &Site, options: &Options) -> Subject {
    let mut options = options.clone();
    let own = site.all_hosts().map(|host| Resolve {
        host: host.to_owned(),
        port: None,
        addresses: vec![HERE],
    });
    // What was told by hand comes first.
    options.resolve.extend(own);
    options.own = Some(Own {
        homeserver: site.homeserver.url.to_string(),
        is_insider: is_insider(site),
    });
    let names = [Some(&site.server_name), site.delegate.as_ref()];
    let ports = names.into_iter().flatten().filter_map(|name| name.port());
    for port in ports.chain([443, 8448]) {
        let is_for = |profile: Profile| match port {
            443 => matches!(profile, Profile::Client | Profile::Both),
            _ => profile.takes_federation(),
        };
        let exact = listening(config).find(|(_, address)| address.port() == Some(port));
        let other = || listening(config).find(|(profile, _)| is_for(*profile));
        let Some(instead) = exact
            .or_else(other)
            .and_then(|(_, address)| reachable(address))
        else {
            continue;
        };
        let published = SocketAddr::new(HERE, port);
        options.connect_to.push(ConnectTo { published, instead });
    }
    Subject {
        server_name: site.server_name.to_string(),
        options,
    }
}

/// Whether this machine may see paths that strangers may not.
fn is_insider(site: &Site) -> bool {
    let mut networks = site
        .routes
        .iter()
        .flat_map(|route| &route.networks)
        .flatten();
    networks.any(|network| network.net().contains(&HERE))
}

fn reachable(address: &ListenAddress) -> Option<SocketAddr> {
    let reached = match address {
        ListenAddress::Any { port } => SocketAddr::new(HERE, *port),
        ListenAddress::Ip(address) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port())
        }
        ListenAddress::Ip(address) if address.ip().is_unspecified() => {
            SocketAddr::new(HERE, address.port())
        }
        ListenAddress::Ip(address) => *address,
        ListenAddress::Unix(_) => return None,
    };
    // Port 0 is any, and only the system knows which.
    (reached.port() != 0).then_some(reached)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(text: &str) -> Result<Vec<Subject>, NoSubject> {
        let config = Config::parse("test", text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = config;
        config.state_folder = folder.path().to_owned();
        let ca = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.cert.pem()).unwrap();
        subjects(&config, None, &Options::new(Duration::from_secs(1)), &[])
    }

    #[test]
    fn published_ports_lead_to_listeners() {
        let text = r#"
            server_name = "a.test"
            homeserver = "http://127.0.0.1:8008"
            delegate = "matrix.a.test:443"
            [[listeners]]
            address = "*:8443"
            tls = true
            [[listeners]]
            address = "[::]:9448"
            tls = true
            profile = "federation"
        "#;
        let subjects = of(text).unwrap();
        assert_eq!(subjects[0].server_name, "a.test");
        let to = |port: u16| {
            let published = SocketAddr::new(HERE, port);
            let found = subjects[0]
                .options
                .connect_to
                .iter()
                .find(|to| to.published == published);
            found.unwrap().instead.to_string()
        };
        assert_eq!(to(443), "127.0.0.1:8443");
        assert_eq!(to(8448), "127.0.0.1:8443");
        let hosts: Vec<_> = subjects[0]
            .options
            .resolve
            .iter()
            .map(|one| one.host.as_str())
            .collect();
        assert_eq!(hosts, ["a.test", "matrix.a.test"]);
    }

    #[test]
    fn what_has_no_door_of_its_own_is_not_checked() {
        let text = "server_name = \"a.test\"\nhomeserver = \"http://127.0.0.1:8008\"\n";
        for listener in [
            "address = \"*:8080\"\ntls = false",
            "address = \"127.0.0.1:0\"\ntls = true",
            "address = \"*:443\"\ntls = true\nproxy_protocol = [\"127.0.0.1\"]",
        ] {
            let text = format!("{text}[[listeners]]\n{listener}\n");
            assert!(
                matches!(of(&text), Err(NoSubject::Unreachable)),
                "{listener}"
            );
        }
    }

    #[test]
    fn who_may_see_the_admin_api_is_no_stranger() {
        let text = "server_name = \"a.test\"\nhomeserver = \"http://127.0.0.1:8008\"\n";
        let route = "[[routes]]\npath = \"/_synapse/admin\"\nhomeserver = true\n";
        let of = |networks: &str| {
            let subjects = of(&format!("{text}{route}networks = [\"{networks}\"]\n")).unwrap();
            subjects[0].options.own.as_ref().unwrap().is_insider
        };
        assert!(of("127.0.0.0/8"));
        assert!(!of("10.0.0.0/8"));
    }
}
