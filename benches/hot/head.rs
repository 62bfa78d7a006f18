//! The head gate, on raw bytes.

use std::hint::black_box;

use vestibule::listen::Limits;
use vestibule::listen::head::{Scan, read};

use super::Hot;

const SMALL: &str = "GET /_matrix/client/versions HTTP/1.1\r\nHost: matrix.example.com\r\n\r\n";

/// A `/sync` as Element Web sends it.
const BROWSER: &str = "GET /_matrix/client/v3/sync?filter=0&timeout=30000&set_presence=online\
    &since=s72594_4483_1934_17_5_1_42_88_0_1 HTTP/1.1\r\n\
    Host: matrix.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: application/json\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://app.example.com/\r\n\
    Authorization: Bearer syt_YWxpY2U_abcdefghijklmnopqrst_0abcde\r\n\
    Origin: https://app.example.com\r\n\
    Connection: keep-alive\r\n\
    Sec-Fetch-Dest: empty\r\n\
    Sec-Fetch-Mode: cors\r\n\
    Sec-Fetch-Site: same-site\r\n\
    Priority: u=4\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\r\n";

/// A transaction of another homeserver.
const TRANSACTION: &str = "PUT /_matrix/federation/v1/send/1795000000042 HTTP/1.1\r\n\
    Host: example.com:8448\r\n\
    User-Agent: Synapse/1.163.0\r\n\
    Authorization: X-Matrix origin=\"remote.example\",destination=\"example.com\",\
    key=\"ed25519:a_AbCd\",sig=\"3oWFKzrnMUqTyVEVp5SSeVmyXWrSYGDmBhmn8Bw6UKD6hcmTtBWEhCx8tQ\"\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 65536\r\n\r\n";

pub(super) fn all() -> Vec<Hot> {
    vec![
        scan("head/scan_small", SMALL),
        scan("head/scan_browser", BROWSER),
        whole("head/read_small", SMALL),
        whole("head/read_browser", BROWSER),
        whole("head/read_transaction", TRANSACTION),
    ]
}

/// Finds the end of a head that came in one piece.
fn scan(name: &'static str, head: &'static str) -> Hot {
    let limits = Limits::default();
    Hot::new(name, move || {
        let end = Scan::default().advance(black_box(head.as_bytes()), &limits);
        assert!(matches!(black_box(end), Ok(Some(_))));
    })
}

fn whole(name: &'static str, head: &'static str) -> Hot {
    let limits = Limits::default();
    Hot::new(name, move || {
        let head = read(black_box(head.as_bytes()), &limits);
        assert!(black_box(head).is_ok());
    })
}
