//! About ten lines at start: what listens, for whom, and to where.

use super::doors::Doors;
use crate::config::{AccessLogFormat, AdminAddress, Config, LogTarget, Serve};
use crate::listen::App;

/// Tells the log what has been opened.
pub(super) fn print<A: App>(config: &Config, doors: &Doors<A>) {
    tracing::info!("vestibule {}", env!("CARGO_PKG_VERSION"));
    for (listener, local) in doors.listeners() {
        tracing::info!(
            "listening on {} ({}, {})",
            local.join(" and "),
            if listener.tls { "TLS" } else { "plain" },
            listener.profile.as_str(),
        );
    }
    for site in &config.sites {
        let mut hosts: Vec<&str> = site.all_hosts().collect();
        hosts.dedup();
        tracing::info!(
            "site {}: hosts {}; homeserver {}",
            *site.server_name,
            hosts.join(", "),
            *site.homeserver.url,
        );
        match (&site.well_known.serve, &site.delegate) {
            (Serve::Homeserver, _) => {
                tracing::info!("site {}: well-known by the homeserver", *site.server_name);
            }
            (Serve::Vestibule, Some(delegate)) => tracing::info!(
                "site {}: federation delegated to {}",
                *site.server_name,
                **delegate,
            ),
            (Serve::Vestibule, None) => {}
        }
        for worker in &site.workers {
            let groups: Vec<String> = worker.groups.iter().map(ToString::to_string).collect();
            let (name, url, groups) = (&*worker.name, &*worker.upstream.url, groups.join(", "));
            tracing::info!(
                "site {}: worker {name} at {url} for {groups}",
                *site.server_name
            );
        }
        for route in &site.routes {
            tracing::info!("site {}: route {}", *site.server_name, *route.path);
        }
    }
    if let AdminAddress::At(address) = &*config.admin.address {
        tracing::info!("metrics and health: http://{address}/metrics, /healthz, /readyz");
    }
    match (&config.access_log.format, &config.access_log.path) {
        (AccessLogFormat::Off, _) => tracing::info!("access log: off"),
        (_, LogTarget::Stdout) => {}
        (_, LogTarget::File(path)) => tracing::info!("access log: {}", path.display()),
    }
}
