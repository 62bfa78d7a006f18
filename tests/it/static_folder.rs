//! A folder of files, as Element Web needs it.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{Door, Homeserver, Request, Table, Vestibule};

/// The shape of an Element Web release, and secrets beside and behind it.
fn element_web() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("secret.txt", "secret");
    write("webroot-secret/x.txt", "secret");
    write("webroot/index.html", "<!doctype html>");
    write(
        "webroot/config.json",
        r#"{"brand":"from the folder","features":{"a":true}}"#,
    );
    write("webroot/version", "1.11.0");
    write("webroot/sw.js", "worker");
    write("webroot/bundles/0123456789abcdef/bundle.js", "script");
    write("webroot/bundles/0123456789abcdef/theme.css", "style");
    write("webroot/img/a b.png", "image");
    folder
}

fn route(folder: &Path) -> String {
    let folder = folder.join("webroot");
    format!(
        r#"
        [[routes]]
        path = "/"
        hosts = ["chat.example.com"]
        folder = "{}"
        config_json = {{ brand = "Example", default_theme = "dark" }}
        [[routes]]
        path = "/element"
        folder = "{0}"
        "#,
        folder.display()
    )
}

fn at(target: &str) -> Request {
    Request::get(target).host("chat.example.com")
}

async fn start() -> (Homeserver, Vestibule, TempDir) {
    let folder = element_web();
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &route(folder.path())).await;
    (homeserver, vestibule, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_served_with_their_types_and_sane_caching() {
    let (homeserver, vestibule, _folder) = start().await;
    let mut table = Table::default();
    let revalidate = "no-cache";
    for (target, kind, cache) in [
        ("/", "text/html", revalidate),
        ("/index.html", "text/html", revalidate),
        ("/config.json", "application/json", revalidate),
        ("/version", "", revalidate),
        ("/sw.js", "javascript", revalidate),
        (
            "/bundles/0123456789abcdef/bundle.js",
            "javascript",
            "immutable",
        ),
        (
            "/bundles/0123456789abcdef/theme.css",
            "text/css",
            "immutable",
        ),
        ("/img/a%20b.png", "image/png", ""),
    ] {
        for answer in [
            vestibule.ask(Door::Tls, &at(target)).await,
            vestibule.ask_h2(Door::Tls, &at(target)).await,
        ] {
            table.row(target, &answer.status, &200);
            let says = answer.header("content-type").unwrap_or_default();
            table.row((target, says), &says.contains(kind), &true);
            let says = answer.header("cache-control").unwrap_or_default();
            table.row((target, says), &says.contains(cache), &true);
        }
    }
    table.assert_right(48);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn config_json_is_generated_and_merged() {
    let (_homeserver, vestibule, _folder) = start().await;
    let answer = vestibule.ask(Door::Tls, &at("/config.json")).await;
    let config = answer.json();
    assert_eq!(
        (config["brand"].as_str(), config["default_theme"].as_str()),
        (Some("Example"), Some("dark"))
    );
    let homeserver = &config["default_server_config"]["m.homeserver"];
    assert_eq!(homeserver["base_url"], "https://example.com", "{config}");
    assert_eq!(homeserver["server_name"], "example.com", "{config}");
    let plain = vestibule
        .ask(Door::Tls, &Request::get("/element/config.json"))
        .await;
    assert_eq!(plain.json()["brand"], "from the folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_of_the_folder_is_served() {
    let (homeserver, vestibule, _folder) = start().await;
    let mut table = Table::default();
    for target in [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/img/../../secret.txt",
        "/img/..%2f..%2fsecret.txt",
        "/../webroot-secret/x.txt",
        "/-secret/x.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/etc/passwd",
        "/%00",
        "/index.html%00.png",
        "/missing.js",
        "/img/",
        "/bundles/",
        "/index.html/",
        &format!("/{}", "a".repeat(256)),
        &"/a".repeat(2100),
    ] {
        for target in [target.to_owned(), format!("/element{target}")] {
            let host = if target.starts_with("/element") {
                "matrix.example.com"
            } else {
                "chat.example.com"
            };
            let answer = vestibule
                .ask(Door::Plain, &Request::get(&target).host(host))
                .await;
            table.row(&target, &answer.status, &404);
            table.row(&target, &answer.text().contains("root:"), &false);
        }
    }
    table.assert_right(76);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_only_read() {
    let (_homeserver, vestibule, _folder) = start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request = Request::new(method, "/index.html")
            .host("chat.example.com")
            .body("x");
        let answer = vestibule.ask(Door::Plain, &request).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(
            answer.header("allow").unwrap().contains("GET"),
            "{answer:?}"
        );
    }
    let mut client = vestibule.raw(Door::Plain).await;
    let head = client
        .ask(&Request::new("HEAD", "/index.html").host("chat.example.com"))
        .await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("15"))
    );
    assert_eq!(
        client.ask(&at("/index.html")).await.text(),
        "<!doctype html>"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_file_is_not_sent_again() {
    let (_homeserver, vestibule, _folder) = start().await;
    let mut client = vestibule.raw(Door::Plain).await;
    let first = client.ask(&at("/index.html")).await;
    let mut conditions = Vec::new();
    for (validator, condition) in [
        ("etag", "If-None-Match"),
        ("last-modified", "If-Modified-Since"),
    ] {
        conditions.extend(
            first
                .header(validator)
                .map(|value| (condition, value.to_owned())),
        );
    }
    assert!(!conditions.is_empty(), "no validator: {first:?}");
    for (name, value) in conditions {
        let again = client.ask(&at("/index.html").field(name, &value)).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_is_not_shadowed_by_a_folder() {
    let (homeserver, vestibule, _folder) = start().await;
    let matrix = Request::get("/_matrix/client/versions");
    assert_eq!(vestibule.ask(Door::Tls, &matrix).await.status, 200);
    assert_eq!(homeserver.requests().len(), 1);
    let inside = vestibule.ask(Door::Tls, &Request::get("/element/")).await;
    assert_eq!(
        (inside.status, inside.text().as_str()),
        (200, "<!doctype html>")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_may_be_asked_for() {
    let (_homeserver, vestibule, _folder) = start().await;
    let request = at("/index.html").field("Range", "bytes=2-8");
    let answer = vestibule.ask(Door::Plain, &request).await;
    assert_eq!((answer.status, answer.text().as_str()), (206, "doctype"));
    assert_eq!(answer.header("content-range"), Some("bytes 2-8/15"));
    let beyond = at("/index.html").field("Range", "bytes=15-");
    let answer = vestibule.ask(Door::Plain, &beyond).await;
    assert_eq!(
        (answer.status, answer.header("content-range")),
        (416, Some("bytes */15"))
    );
}
