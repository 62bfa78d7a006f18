//! From what was written to what runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::homeservers::homeserver;
use super::origin_rules::origin_rules;
use super::traffic::of_sites;
use super::upstreams::Upstreams;
use super::{Federation, Holding, RequestLimits, Snapshot, documents};
use crate::config::{
    self, Action, Config, Diagnostics, Hsts, ListenAddress, Rewrite308, TrustedProxy,
};
use crate::keys::{self, PinnedKeys};
use crate::matrix::{Profile, ServerName};
use crate::policy::{Networks, Signatures, TrustedProxies, response_headers};
use crate::route::{
    Bounds, Document, Folder, Forwarding, HomeserverId, Route, Site, Sites, Target, WellKnown, host,
};
use crate::upstream::Deadlines;
use crate::upstream::health::Checks;

/// Compiles a configuration; what only shows now, such as a CA file that holds
/// no certificate, is reported all at once.
///
/// What it has in common with `previous` is carried over with all that is known of it: upstreams
/// with their connections, health and load, the queues before them, and what DNS named.
pub fn compile(config: &Config, previous: Option<&Snapshot>) -> Result<Snapshot, Diagnostics> {
    let mut upstreams = Upstreams::in_place_of(previous);
    let sites = config
        .sites
        .iter()
        .enumerate()
        .map(|(index, written)| site(HomeserverId(index), written, config, &mut upstreams))
        .map(Arc::new)
        .collect();
    let homeservers = config
        .sites
        .iter()
        .map(|written| {
            let compiled = homeserver(written, &mut upstreams);
            let previous = previous.and_then(|p| p.homeserver_of(written.server_name.as_str()));
            match previous {
                Some(previous) => compiled.in_place_of(previous),
                None => compiled,
            }
        })
        .map(Arc::new)
        .collect();
    let (upstreams, problems) = upstreams.into_parts();
    if !problems.is_empty() {
        return Err(Diagnostics::new(config.source(), problems));
    }
    Ok(Snapshot {
        sites: Sites::new(sites),
        upstreams,
        homeservers,
        traffic: of_sites(config, previous),
        checks: checks(config),
        trusted_proxies: trusted_proxies(&config.trusted_proxies),
        deadlines: Deadlines {
            connect: config.timeouts.connect.duration(),
            idle: config.timeouts.upstream_idle.duration(),
            write: config.timeouts.write.duration(),
        },
        limits: RequestLimits {
            target_size: usize::try_from(config.limits.target_size.bytes()).unwrap_or(usize::MAX),
            head_size: usize::try_from(config.limits.head_size.bytes()).unwrap_or(usize::MAX),
            head_fields: config.limits.head_fields.number() as usize,
        },
        holding: Holding {
            longest: config.timeouts.hold.duration(),
            most: config.limits.held_requests.number(),
        },
        federation: federation(&config.federation),
        origin_rules: ArcSwap::from_pointee(origin_rules(&config.federation)),
        keys: keys(&config.federation),
        hsts: hsts(config.hsts),
        https_port: https_port(&config.listeners),
        challenges: None,
    })
}

fn federation(written: &config::Federation) -> Federation {
    Federation {
        signatures: match written.signatures {
            config::Signatures::Off => Signatures::Off,
            config::Signatures::Observe => Signatures::Observe,
            config::Signatures::Verify => Signatures::Verify,
            config::Signatures::Enforce => Signatures::Enforce,
        },
        most_kept: usize::try_from(written.rewritten_body_size.bytes()).unwrap_or(usize::MAX),
        dry_run: written.dry_run,
    }
}

fn keys(written: &config::Federation) -> keys::Settings {
    let mut pinned = PinnedKeys::default();
    for one in &written.pinned_keys {
        let key = one.key.verify_key().clone();
        pinned.add(ServerName::clone(&one.origin), one.key_id.as_str(), key);
    }
    let keys = &written.keys;
    keys::Settings {
        most_keys: keys.remembered.number().into(),
        lookups: keys.lookups.number() as usize,
        per_minute: keys.lookups_per_address.number(),
        burst: keys.burst_per_address.number(),
        wait: keys.wait.duration(),
        pinned,
    }
}

fn checks(config: &Config) -> Checks {
    Checks {
        interval: config.health.interval.duration(),
        timeout: config.health.timeout.duration(),
        failures: config.health.failures.number(),
    }
}

fn site(
    homeserver: HomeserverId,
    written: &config::Site,
    config: &Config,
    upstreams: &mut Upstreams,
) -> Site {
    let normalized = |name: &str| host::normalized(name).into_owned().into_boxed_str();
    let mut hosts: Vec<Box<str>> = written.all_hosts().map(normalized).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let mut routes: Vec<Route> = written
        .routes
        .iter()
        .map(|route_written| {
            route(
                route_written,
                documents::element_config(route_written, written),
                upstreams,
            )
        })
        .collect();
    // The longest path first; of two for the same path the one for fewer hosts.
    routes.sort_by_key(|route| {
        let is_for_all_hosts = route.hosts.is_empty();
        (std::cmp::Reverse(route.path.len()), is_for_all_hosts)
    });
    Site {
        name: written.server_name.as_str().into(),
        server_host: normalized(written.server_name.host()),
        hosts,
        homeserver,
        mas: written.mas.as_ref().map(|mas| upstreams.add(mas)),
        max_upload_size: written.max_upload_size.bytes(),
        max_body_size: config.limits.body_size.bytes(),
        rewrite_308: match written.rewrite_308 {
            Rewrite308::All => response_headers::Rewrite308::All,
            Rewrite308::Get => response_headers::Rewrite308::Get,
            Rewrite308::Off => response_headers::Rewrite308::Off,
        },
        edge_cache: written.edge_cache,
        well_known: match written.well_known.serve {
            config::Serve::Homeserver => WellKnown::Homeserver,
            config::Serve::Vestibule => WellKnown::Documents(Box::new(documents::of(written))),
        },
        routes,
    }
}

fn route(
    written: &config::Route,
    config_json: Option<Document>,
    upstreams: &mut Upstreams,
) -> Route {
    let path = written.path.as_str();
    let bounds = Bounds {
        max_body_size: written.max_body_size.bytes(),
        read_timeout: written.read_timeout.duration(),
    };
    let target = match &written.action {
        Action::Homeserver { .. } => Target::Homeserver(bounds),
        Action::Redirect { redirect } => Target::Redirect(header(redirect.as_str())),
        Action::Folder { folder, .. } => Target::Folder(Arc::new(Folder {
            root: folder.to_path_buf(),
            config_json,
        })),
        Action::Upstream {
            upstream,
            strip_prefix,
            websocket,
        } => Target::Upstream(Forwarding {
            upstream: upstreams.add(upstream),
            strip_prefix: *strip_prefix,
            websocket: *websocket,
            bounds,
        }),
    };
    let networks = written.networks.as_ref();
    Route {
        path: path.strip_suffix('/').unwrap_or(path).into(),
        hosts: written
            .hosts
            .iter()
            .map(|h| host::normalized(h.as_str()).into_owned().into_boxed_str())
            .collect(),
        networks: networks.map(|n| n.iter().map(|n| n.net()).collect()),
        target,
    }
}

fn trusted_proxies(written: &[TrustedProxy]) -> TrustedProxies {
    let network = |proxy: &TrustedProxy| match proxy {
        TrustedProxy::Network(network) => Some(network.net()),
        TrustedProxy::Unix => None,
    };
    TrustedProxies {
        networks: written.iter().filter_map(network).collect::<Networks>(),
        unix: written.contains(&TrustedProxy::Unix),
    }
}

fn hsts(written: Hsts) -> Option<HeaderValue> {
    match written {
        Hsts::Off => None,
        Hsts::For(age) => Some(header(&format!("max-age={}", age.as_secs()))),
    }
}

/// The port that redirects from plain HTTP name: 443 where it is served, or
/// else the first that serves clients over TLS.
fn https_port(listeners: &[config::Listener]) -> u16 {
    let ports: Vec<u16> = listeners
        .iter()
        .filter(|l| l.tls && matches!(l.profile, Profile::Client | Profile::Both))
        .flat_map(|l| &l.address)
        .filter_map(|address| ListenAddress::port(address))
        .collect();
    match ports.first() {
        Some(&first) if !ports.contains(&443) && first != 0 => first,
        _ => 443,
    }
}

/// Configuration values are checked to be visible ASCII when they are read.
fn header(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
