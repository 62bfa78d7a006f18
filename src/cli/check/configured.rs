//! What a configuration says about where its servers are: on loopback, under their own names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::Subject;
use crate::config::{CertificateSource, Config, ListenAddress, Listener, Site};
use crate::federation::{ConnectTo, DnsSource, Options, Resolve, roots};
use crate::matrix::Profile;

/// Where all names of the configuration are.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Its sites, or the one of this server name.
pub(super) fn subjects(
    config: &Config,
    only: Option<&str>,
    options: &Options,
) -> Result<Vec<Subject>, String> {
    let mut options = options.clone();
    options.dns = DnsSource::Nobody;
    options.allow_private = true;
    if config.tls.source == CertificateSource::Internal {
        let authority = config.state_folder.join("ca.pem");
        let own = roots(std::slice::from_ref(&authority));
        options.roots = Arc::new(own.map_err(|error| {
            format!("tls = \"internal\", and {error}: does the program run, and may you read it?")
        })?);
    }
    let sites = config.sites.iter();
    let wanted = |site: &&Site| only.is_none_or(|name| site.server_name.as_str() == name);
    let subjects: Vec<_> = sites
        .filter(wanted)
        .map(|site| subject(config, site, &options))
        .collect();
    match (subjects.is_empty(), only) {
        (true, Some(name)) => Err(format!("the configuration has no site {name:?}")),
        (true, None) => Err("the configuration has no site".to_owned()),
        (false, _) => Ok(subjects),
    }
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
    let names = [Some(&site.server_name), site.delegate.as_ref()];
    let ports = names.into_iter().flatten().filter_map(|name| name.port());
    for port in ports.chain([443, 8448]) {
        let is_for = |profile: Profile| match port {
            443 => matches!(profile, Profile::Client | Profile::Both),
            _ => profile.takes_federation(),
        };
        let addresses = || {
            let listeners = config.listeners.iter().filter(|listener| is_open(listener));
            listeners
                .flat_map(|listener| listener.address.iter().map(|one| (listener.profile, one)))
        };
        let exact = addresses().find(|(_, address)| address.port() == Some(port));
        let other = || addresses().find(|(profile, _)| is_for(*profile));
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

/// Whether we can speak to it: TLS, and no PROXY header expected of this machine.
fn is_open(listener: &Listener) -> bool {
    let expects_header = listener
        .proxy_protocol
        .iter()
        .any(|network| network.net().contains(&HERE));
    listener.tls && !expects_header
}

fn reachable(address: &ListenAddress) -> Option<SocketAddr> {
    match address {
        ListenAddress::Any { port } => Some(SocketAddr::new(HERE, *port)),
        ListenAddress::Ip(address) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            Some(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()))
        }
        ListenAddress::Ip(address) if address.ip().is_unspecified() => {
            Some(SocketAddr::new(HERE, address.port()))
        }
        ListenAddress::Ip(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Subject> {
        let config = Config::parse("test", text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = config;
        config.state_folder = folder.path().to_owned();
        let ca = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.cert.pem()).unwrap();
        let options = Options {
            resolve: Vec::new(),
            connect_to: Vec::new(),
            dns: DnsSource::System,
            roots: Arc::new(rustls::RootCertStore::empty()),
            allow_private: false,
            timeout: std::time::Duration::from_secs(1),
            signing_key: None,
        };
        subjects(&config, None, &options).unwrap()
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
        let subjects = of(text);
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
}
