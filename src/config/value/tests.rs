use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Each pair: what is written, and how it is shown.
fn prints<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(pairs: &[(&str, &str)]) {
    for (written, shown) in pairs {
        let value: T = written.parse().unwrap();
        assert_eq!(value.to_string(), *shown, "{written}");
        assert_eq!(shown.parse::<T>().unwrap(), value, "{shown}");
    }
}

fn refuses<T: FromStr<Err = InvalidValue> + Debug>(texts: &[&str]) {
    for text in texts {
        let reason = text.parse::<T>().expect_err(text).to_string();
        let (message, help) = reason.split_once('\n').expect("two lines");
        assert!(!message.is_empty() && !help.is_empty(), "{reason}");
    }
}

#[test]
fn durations() {
    prints::<Timeout>(&[
        ("250ms", "250ms"),
        ("30s", "30s"),
        ("90 s", "90s"),
        ("180s", "180s"),
        ("5m", "5m"),
        ("1h", "1h"),
        ("24h", "24h"),
        ("180d", "180d"),
    ]);
    refuses::<Timeout>(&[
        "", "s", "10", "1.5s", "-1s", "10 weeks", "0s", "9999d", "1s1s",
    ]);
    assert_eq!("0s".parse::<Age>().unwrap().duration(), Duration::ZERO);
    assert_eq!("off".parse::<Hsts>().unwrap(), Hsts::Off);
}

#[test]
fn sizes() {
    prints::<ByteSize>(&[
        ("50M", "50M"),
        ("50MiB", "50M"),
        ("12.5M", "12.5M"),
        ("1.25 G", "1.25G"),
        ("64k", "64K"),
        ("1024", "1K"),
        ("1000", "1000"),
        ("13107200", "12.5M"),
    ]);
    refuses::<ByteSize>(&[
        "",
        "M",
        "1.5",
        "0.3K",
        "50X",
        "50MM",
        "0",
        "1..5M",
        "-1",
        "99999999999G",
    ]);
    assert_eq!("12.5M".parse::<ByteSize>().unwrap().bytes(), 13_107_200);
}

#[test]
fn listen_addresses() {
    prints::<ListenAddress>(&[
        ("*:443", "*:443"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("[::1]:8448", "[::1]:8448"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
    ]);
    refuses::<ListenAddress>(&[
        "",
        "443",
        ":443",
        "*",
        "::1",
        "localhost:1",
        "unix:a",
        "*:99999",
    ]);
}

#[test]
fn listen_addresses_clash_where_the_system_would_refuse() {
    for (left, right, clash) in [
        ("*:1", "*:1", true),
        ("*:1", "*:2", false),
        ("*:0", "*:0", false),
        ("*:1", "127.0.0.1:1", true),
        ("0.0.0.0:1", "127.0.0.1:1", true),
        ("0.0.0.0:1", "[::]:1", false),
        ("[::]:1", "[::1]:1", true),
        ("unix:/a", "unix:/a", true),
        ("unix:/a", "*:1", false),
    ] {
        let (left, right): (ListenAddress, ListenAddress) =
            (left.parse().unwrap(), right.parse().unwrap());
        assert_eq!(left.clashes_with(&right), clash, "{left} {right}");
        assert_eq!(right.clashes_with(&left), clash, "{right} {left}");
    }
}

#[test]
fn upstream_addresses() {
    prints::<UpstreamAddress>(&[
        ("http://127.0.0.1:8008", "http://127.0.0.1:8008"),
        ("http://synapse/", "http://synapse:80"),
        ("HTTPS://synapse.internal", "https://synapse.internal:443"),
        ("http://[::1]:8008", "http://[::1]:8008"),
        ("unix:/run/main.sock", "unix:/run/main.sock"),
    ]);
    refuses::<UpstreamAddress>(&[
        "",
        "127.0.0.1:8008",
        "ftp://a",
        "http://",
        "http://a/b",
        "http://a?b",
        "http://u:p@a",
        "unix:a",
    ]);
}

#[test]
fn urls() {
    prints::<HttpUrl>(&[
        ("https://example.com", "https://example.com"),
        ("http://example.com:1/a?b#c", "http://example.com:1/a?b#c"),
    ]);
    refuses::<HttpUrl>(&[
        "",
        "/a",
        "example.com",
        "https://",
        "https:///a",
        "https://a b",
        "https://a/\r\nx",
        "https://u@a",
        "https://ä.de",
        "javascript:alert(1)",
    ]);
}

#[test]
fn networks() {
    prints::<TrustedProxy>(&[
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("::1", "::1/128"),
        ("unix", "unix"),
    ]);
    refuses::<Network>(&["", "10.0.0.0/33", "10.0.0.1/8", "unix", "example.com"]);
}

#[test]
fn route_paths() {
    prints::<RoutePath>(&[("/", "/"), ("/a", "/a"), ("/a/", "/a"), ("/a/@b", "/a/@b")]);
    refuses::<RoutePath>(&[
        "", "a", "//", "/a//b", "/a/..", "/./a", "/%61", "/a?b", "/a*", "/a;b", "/a\\b",
    ]);
    for (path, below) in [
        ("/a/b", true),
        ("/a/b/c", true),
        ("/a/bc", false),
        ("/a", false),
        ("/", false),
    ] {
        let path: RoutePath = path.parse().unwrap();
        assert_eq!(path.is_below("/a/b"), below, "{path}");
    }
}

#[test]
fn hosts() {
    prints::<Host>(&[
        ("Example.COM", "example.com"),
        ("[::1]", "[::1]"),
        ("10.0.0.1", "10.0.0.1"),
    ]);
    refuses::<Host>(&["", "example.com:1", "https://example.com", "a_b", "::1"]);
}

proptest! {
    #[test]
    fn sizes_survive_printing(bytes in 1_u64..1 << 50) {
        let size: ByteSize = bytes.to_string().parse().unwrap();
        prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap().bytes(), bytes);
    }

    #[test]
    fn durations_survive_printing(milliseconds in 1_u64..10_000_000_000) {
        let timeout: Timeout = format!("{milliseconds}ms").parse().unwrap();
        prop_assert_eq!(timeout.to_string().parse::<Timeout>().unwrap(), timeout);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let _ = crate::config::Config::parse("any", &text);
        let _ = text.parse::<ByteSize>();
        let _ = text.parse::<Timeout>();
        let _ = text.parse::<UpstreamAddress>();
        let _ = text.parse::<HttpUrl>();
        let _ = text.parse::<RoutePath>();
    }
}
