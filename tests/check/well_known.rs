//! Everything that goes wrong with `/.well-known/matrix/server`.

use super::deployment::{Deployment, Kind, V4, V6, stub};
use super::dns::address;
use super::nginx::{Nginx, document};

async fn finds(server_document: &str, ids: &[&str]) {
    let nginx = Nginx {
        server_document: server_document.to_owned(),
        ..Nginx::default()
    };
    if let Some(report) = nginx.report().await {
        report.finds(ids);
    }
}

/// With a second host `b.test` at another address, that has the document.
async fn finds_with_other(server_document: &str, on_other: &str, ids: &[&str]) {
    let nginx = Nginx {
        server_document: server_document.to_owned(),
        ..Nginx::default()
    };
    let text = nginx.text();
    let end = text.rfind('}').unwrap();
    let other = format!(
        "server {{ listen $listen ssl; server_name b.test; {on_other}
            location = /final {{ default_type application/json; return 200 '{{\"m.server\": \"matrix.a.test:443\"}}'; }} }} }}"
    );
    let text = format!("{}{other}", &text[..end]);
    let mut deployment = Deployment::new();
    let names = ["a.test", "matrix.a.test", "b.test"];
    let made = deployment
        .authority
        .make(&super::authority::Wanted::new(&names));
    deployment.write_certificate("server", &made);
    deployment.zone.push(address("b.test", V4));
    if let Some(listen) = deployment.start(Kind::Nginx, &text, stub().await).await {
        deployment.route_all(listen);
        deployment.check().await.finds(ids);
    }
}

fn redirect(status: u16, to: &str) -> String {
    format!("location = /.well-known/matrix/server {{ return {status} {to}; }}")
}

#[tokio::test]
async fn one_absolute_redirect_is_fine() {
    finds_with_other(&redirect(302, "https://b.test/final"), "", &[]).await;
}

#[tokio::test]
async fn a_redirect_to_plain_http() {
    let nginx = Nginx {
        server_document: redirect(302, "http://a.test/final"),
        ..Nginx::default()
    };
    let Some(mut deployment) = nginx.deploy().await else {
        return;
    };
    let plain = Nginx {
        tls: String::new(),
        listen: "listen $listen;".into(),
        server_document: document("{\"m.server\": \"matrix.a.test:443\"}")
            .replace("/.well-known/matrix/server", "/final"),
        ..Nginx::default()
    };
    let listen = deployment
        .start(Kind::Nginx, &plain.text(), stub().await)
        .await
        .unwrap();
    deployment.route(V4, 80, listen);
    deployment.route(V6, 80, listen);
    deployment.check().await.finds(&["wk.redirect.http"]);
}

#[tokio::test]
async fn a_web_server_that_never_answers() {
    // Takes connections, and nothing from them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut deployment = Deployment::new().with_certificate();
    let text = super::haproxy::text("").replace("unless matrix", "if FALSE");
    let Some(web) = deployment
        .start(Kind::Haproxy, &text, silent.local_addr().unwrap())
        .await
    else {
        return;
    };
    let text = super::haproxy::text("");
    let matrix = deployment
        .start(Kind::Haproxy, &text, stub().await)
        .await
        .unwrap();
    deployment.route_all(web);
    deployment.route(V4, 8448, matrix);
    deployment.route(V6, 8448, matrix);
    deployment.arguments = vec!["--timeout".into(), "3".into()];
    deployment.check().await.finds(&["wk.connect"]);
}

#[tokio::test]
async fn a_308_is_not_known_to_all() {
    finds_with_other(
        &redirect(308, "https://b.test/final"),
        "",
        &["wk.redirect.308"],
    )
    .await;
}

#[tokio::test]
async fn a_chain_of_308() {
    let on_other = "location = /step { return 308 https://b.test/final; }";
    finds_with_other(
        &redirect(308, "https://b.test/step"),
        on_other,
        &["wk.redirect.308"],
    )
    .await;
}

#[tokio::test]
async fn a_chain_of_redirects() {
    let on_other = "location = /step { return 302 https://b.test/final; }";
    finds_with_other(
        &redirect(302, "https://b.test/step"),
        on_other,
        &["wk.redirect.chain"],
    )
    .await;
}

#[tokio::test]
async fn a_relative_second_hop() {
    let on_other = "absolute_redirect off; location = /step { return 302 /final; }";
    finds_with_other(
        &redirect(302, "https://b.test/step"),
        on_other,
        &["wk.redirect.relative"],
    )
    .await;
}

#[tokio::test]
async fn a_loop() {
    let to = "https://a.test/.well-known/matrix/server";
    finds(&redirect(302, to), &["wk.redirect.loop"]).await;
}

#[tokio::test]
async fn redirects_without_end() {
    let endless = "location = /.well-known/matrix/server { return 302 https://a.test/x/1; }
        location ~ ^/x/(?<n>1+)$ { return 302 https://a.test/x/1$n; }";
    finds(endless, &["wk.redirect.limit"]).await;
}

#[tokio::test]
async fn a_redirect_to_another_scheme() {
    finds(&redirect(302, "gopher://a.test/"), &["wk.redirect.broken"]).await;
}

#[tokio::test]
async fn a_page_instead_of_the_document() {
    let page = "location = /.well-known/matrix/server { return 200 '<html>Welcome</html>'; }";
    finds(page, &["wk.body.json"]).await;
}

#[tokio::test]
async fn a_document_without_m_server() {
    finds(&document("{\"m.homeserver\": {}}"), &["wk.body.missing"]).await;
}

#[tokio::test]
async fn a_url_instead_of_a_name() {
    let nginx = Nginx {
        server_document: document("{\"m.server\": \"https://matrix.a.test\"}"),
        ..Nginx::default()
    };
    if let Some(report) = nginx.report().await {
        report.finds(&["wk.body.name"]);
        assert_eq!(
            report.remedy("wk.body.name"),
            "{\"m.server\": \"matrix.a.test:443\"}"
        );
    }
}

#[tokio::test]
async fn a_document_without_end() {
    let large = format!(
        "{{\"m.server\": \"matrix.a.test:443\", \"x\": \"{}\"}}",
        "x".repeat(60_000)
    );
    let from_file = "root $folder; location = /.well-known/matrix/server {
        default_type application/json; try_files /large.json =404; }";
    let nginx = Nginx {
        server_document: from_file.into(),
        ..Nginx::default()
    };
    let mut deployment = Deployment::new().with_certificate();
    deployment.write("large.json", &large);
    if let Some(listen) = deployment
        .start(Kind::Nginx, &nginx.text(), stub().await)
        .await
    {
        deployment.route_all(listen);
        deployment.check().await.finds(&["wk.body.large"]);
    }
}

#[tokio::test]
async fn a_name_without_its_port() {
    let nginx = Nginx {
        server_document: document("{\"m.server\": \"matrix.a.test\"}"),
        ..Nginx::default()
    };
    if let Some(mut deployment) = nginx.deploy().await {
        let closed = super::program::free_address();
        deployment.route(V4, 8448, closed);
        deployment.route(V6, 8448, closed);
        let report = deployment.check().await;
        report.finds(&["wk.body.port"]);
        assert_eq!(
            report.remedy("wk.body.port"),
            "{\"m.server\": \"matrix.a.test:443\"}"
        );
    }
}

#[tokio::test]
async fn a_wrong_port() {
    let nginx = Nginx {
        server_document: document("{\"m.server\": \"matrix.a.test:444\"}"),
        ..Nginx::default()
    };
    if let Some(mut deployment) = nginx.deploy().await {
        let closed = super::program::free_address();
        deployment.route(V4, 444, closed);
        deployment.route(V6, 444, closed);
        deployment.check().await.finds(&["addr.dead"]);
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    finds(
        &document("{\"m.server\": \"gone.a.test:443\"}"),
        &["dns.none"],
    )
    .await;
}

#[tokio::test]
async fn a_server_error_with_nothing_behind_it() {
    let failing = "location = /.well-known/matrix/server { return 500; }";
    let nginx = Nginx {
        server_document: failing.into(),
        ..Nginx::default()
    };
    if let Some(mut deployment) = nginx.deploy().await {
        let closed = super::program::free_address();
        deployment.route(V4, 8448, closed);
        deployment.route(V6, 8448, closed);
        deployment.check().await.finds(&["wk.status"]);
    }
}

#[tokio::test]
async fn a_document_that_is_not_to_be_stored() {
    let no_store = document("{\"m.server\": \"matrix.a.test:443\"}")
        .replace("public, max-age=3600", "no-store");
    finds(&no_store, &["wk.cache.short"]).await;
}

#[tokio::test]
async fn a_quoted_max_age() {
    let quoted = document("{\"m.server\": \"matrix.a.test:443\"}")
        .replace("public, max-age=3600", "max-age=\"3600\"");
    finds(&quoted, &["wk.cache.quoted"]).await;
}

#[tokio::test]
async fn a_document_for_a_year() {
    let year = document("{\"m.server\": \"matrix.a.test:443\"}").replace("3600", "31536000");
    finds(&year, &["wk.cache.long"]).await;
}

#[tokio::test]
async fn some_senders_are_blocked() {
    let blocked = format!(
        "if ($http_user_agent ~ Go-http-client) {{ return 403; }} {}",
        document("{\"m.server\": \"matrix.a.test:443\"}")
    );
    finds(&blocked, &["wk.consistent.agent"]).await;
}

#[tokio::test]
async fn the_addresses_disagree() {
    let Some(mut deployment) = Nginx::default().deploy().await else {
        return;
    };
    let other = Nginx {
        server_document: document("{\"m.server\": \"old.a.test:443\"}"),
        ..Nginx::default()
    };
    let listen = deployment
        .start(Kind::Nginx, &other.text(), stub().await)
        .await
        .unwrap();
    // Only port 443 of the second address of `a.test` is another machine.
    deployment.zone.retain(|(name, _)| *name != "a.test");
    deployment
        .zone
        .extend([address("a.test", V6), address("a.test", "198.51.100.9")]);
    deployment.route("198.51.100.9", 443, listen);
    deployment.check().await.finds(&["wk.consistent.address"]);
}

#[tokio::test]
async fn the_certificate_of_the_document_is_wrong() {
    let Some(mut deployment) = Nginx::default().deploy().await else {
        return;
    };
    let made = deployment
        .authority
        .make(&super::authority::Wanted::new(&["www.a.test"]));
    deployment.write_certificate("www", &made);
    let text = Nginx::default()
        .text()
        .replace("server.pem", "www.pem")
        .replace("server.key", "www.key");
    let listen = deployment
        .start(Kind::Nginx, &text, stub().await)
        .await
        .unwrap();
    deployment.zone.retain(|(name, _)| *name != "a.test");
    deployment.zone.push(address("a.test", "198.51.100.9"));
    deployment.route("198.51.100.9", 443, listen);
    deployment.check().await.finds(&["wk.tls"]);
}
