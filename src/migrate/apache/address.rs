//! Where `ProxyPass` leads.

use crate::config::UpstreamAddress;

/// An address as we write it, and the path behind it.
pub(super) fn understand(url: &str) -> Option<(String, String)> {
    // `unix:/run/a.sock|http://localhost/path`
    if let Some(socket) = url.strip_prefix("unix:") {
        let (socket, url) = socket.split_once('|').unwrap_or((socket, ""));
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let path = rest
            .find('/')
            .and_then(|at| rest.get(at..))
            .unwrap_or_default();
        let address: UpstreamAddress = format!("unix:{socket}").parse().ok()?;
        return Some((address.to_string(), path.to_owned()));
    }
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "h2c" | "ws" => "http",
        "https" | "h2" | "wss" => "https",
        _ => return None,
    };
    let end = rest.find(['/', '$']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let address: UpstreamAddress = format!("{scheme}://{authority}").parse().ok()?;
    Some((address.to_string(), path.to_owned()))
}
