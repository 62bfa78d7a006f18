//! Redirects of our own: 301, absolute, one hop, never for Matrix requests.

use http::HeaderValue;

/// Where a plain HTTP request is sent: the same host and target over HTTPS.
///
/// `port` is that of the TLS listener, left out when it is 443. `None` when
/// the result is no valid header, which a checked host and target never give.
pub fn to_https(host: &str, target: &[u8], port: u16) -> Option<HeaderValue> {
    let mut location = Vec::with_capacity(16 + host.len() + target.len());
    location.extend_from_slice(b"https://");
    location.extend_from_slice(host.as_bytes());
    if port != 443 {
        location.extend_from_slice(format!(":{port}").as_bytes());
    }
    location.extend_from_slice(target);
    HeaderValue::from_bytes(&location).ok()
}

/// Where a folder is, for a request that left out the slash at its end.
/// `authority` is the `Host` as it came, which knows the port that is seen from
/// outside.
pub fn to_folder(is_https: bool, authority: &str, folder: &str) -> Option<HeaderValue> {
    let scheme = if is_https { "https" } else { "http" };
    HeaderValue::try_from(format!("{scheme}://{authority}{folder}/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_kept_byte_for_byte() {
        let location = to_https("example.com", b"/a%2fb?x=%20", 443).unwrap();
        assert_eq!(location, "https://example.com/a%2fb?x=%20");
        let location = to_https("[::1]", b"/", 8443).unwrap();
        assert_eq!(location, "https://[::1]:8443/");
    }
}
