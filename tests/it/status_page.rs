//! The status page of the admin listener, in a real browser.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};

use crate::support::binary::{Binary, LISTENERS};
use crate::support::browser::Browser;
use crate::support::{Homeserver, Request, eventually};

/// Two processes besides the main one, of which one is not there.
const WORKERS: &str = r#"
[[workers]]
name = "sync1"
upstream = "$homeserver"
groups = ["synchrotron", "initial_synchrotron", "sliding_sync"]
[[workers]]
name = "federation_inbound_with_a_long_name"
upstream = "http://127.0.0.1:1"
groups = ["federation_inbound"]
"#;

/// An address at which a browser reaches a unix socket.
async fn relay(socket: std::path::PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut browser, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                if let Ok(mut admin) = UnixStream::connect(&socket).await {
                    // It ends when either side does.
                    drop(copy_bidirectional(&mut browser, &mut admin).await);
                }
            });
        }
    });
    address
}

async fn busy() -> (Homeserver, Binary) {
    let homeserver = Homeserver::start().await;
    let binary = Binary::start_with(&homeserver, &format!("{LISTENERS}{WORKERS}")).await;
    for target in [
        "/_matrix/client/v3/sync?since=s1",
        "/_matrix/client/v3/rooms/!r:x/messages",
        "/_matrix/client/versions",
        "/nowhere",
        "/_matrix/client/v3/%2e%2e/admin",
    ] {
        binary.raw().await.ask(&Request::get(target)).await;
    }
    let status = async || {
        binary
            .admin()
            .await
            .ask(&Request::get("/status"))
            .await
            .text()
    };
    eventually("what is away is known to be", async || {
        let status = status().await;
        status.contains("\"away\"") && status.contains("takes no connections")
    })
    .await;
    (homeserver, binary)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_is_whole_on_a_phone_and_on_a_desk() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let (_homeserver, binary) = busy().await;
    let address = relay(binary.path("admin.sock")).await;
    for (width, height, theme) in [
        (390, 844, "light"),
        (390, 844, "dark"),
        (1280, 900, "light"),
    ] {
        browser.window(width, height, theme).await;
        browser.open(&format!("http://{address}/")).await;
        let wide = browser.value("document.documentElement.scrollWidth").await;
        assert!(wide.as_u64() <= Some(width.into()), "{wide} on {width}");
        let text = browser.value("document.body.innerText").await;
        let text = text.as_str().unwrap();
        for shown in [
            "ready",
            "version 1, loaded",
            "example.com",
            "sync1",
            "federation_inbound_with_a_long_name",
            "away",
            "event_read",
            "internal",
            ", in ",
            "not_served",
            "takes no connections",
        ] {
            assert!(text.contains(shown), "{shown}\n{text}");
        }
        // The style is ours, and was let in.
        let colour = "getComputedStyle(document.body).backgroundColor";
        let colour = browser.value(colour).await;
        let expected = if theme == "dark" {
            "rgb(20, 23, 26)"
        } else {
            "rgb(246, 246, 244)"
        };
        assert_eq!(colour, expected);
        if let Some(folder) = std::env::var_os("VESTIBULE_TEST_PICTURES") {
            let name = format!("status-{width}-{theme}.png");
            let picture = browser.picture().await;
            std::fs::write(std::path::Path::new(&folder).join(name), picture).unwrap();
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}
