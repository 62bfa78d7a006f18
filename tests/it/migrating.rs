//! Every configuration of `docs/MIGRATING.md` is one, starts, and does what the page says.

use serde_json::{Value, json};

use crate::support::{Door, Homeserver, Request, Vestibule};

const PAGE: &str = include_str!("../../docs/MIGRATING.md");

/// The blocks that are configurations of ours.
fn blocks() -> Vec<&'static str> {
    let blocks = PAGE.split("```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.strip_prefix("toml\n"))
        .collect()
}

/// Without what a test has its own of: sockets, files, the addresses of upstreams.
fn here(block: &str, homeserver: &str) -> toml::Table {
    let mut table: toml::Table = block.parse().unwrap();
    table.insert("homeserver".into(), homeserver.into());
    for key in ["listeners", "tls"] {
        table.remove(key);
    }
    for key in ["workers", "routes"] {
        let parts = table.get_mut(key).and_then(toml::Value::as_array_mut);
        for part in parts.into_iter().flatten() {
            let part = part.as_table_mut().unwrap();
            part.insert("upstream".into(), homeserver.into());
        }
    }
    if let Some(workers) = table.get_mut("workers").and_then(toml::Value::as_array_mut) {
        // All are the same stub, so each group has one worker.
        workers.truncate(1);
    }
    table
}

#[tokio::test]
async fn every_configuration_of_the_page_serves_a_homeserver() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 8);
    for block in blocks {
        let written: toml::Table = block.parse().unwrap();
        vestibule::config::Config::parse("MIGRATING.md", block)
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let homeserver = Homeserver::start().await;
        let extra = toml::to_string(&here(block, homeserver.url())).unwrap();
        let vestibule = Vestibule::start(&homeserver, &extra).await;
        let name = written["server_name"].as_str().unwrap();

        let target = "/_matrix/federation/v1/event/$a%2Fb";
        let answer = vestibule
            .ask(Door::Federation, &Request::get(target).host(name).signed())
            .await;
        assert_eq!(answer.status, 200, "{block}");
        assert_eq!(homeserver.targets().last().unwrap(), target, "{block}");

        let server = Request::get("/.well-known/matrix/server").host(name);
        let document = vestibule.ask(Door::Tls, &server).await;
        match written.get("delegate").and_then(toml::Value::as_str) {
            Some(delegate) => {
                assert_eq!(document.json(), json!({ "m.server": delegate }), "{block}");
            }
            None => assert_eq!(document.status, 404, "{block}"),
        }
        let client = Request::get("/.well-known/matrix/client").host(name);
        let client: Value = vestibule.ask(Door::Tls, &client).await.json();
        let base_url = client["m.homeserver"]["base_url"].as_str().unwrap();
        assert_eq!(base_url, "https://matrix.example.com", "{block}");

        for route in written
            .get("routes")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
        {
            let host = route["hosts"][0].as_str().unwrap();
            let answer = vestibule
                .ask(Door::Tls, &Request::get("/page").host(host))
                .await;
            assert_eq!(answer.status, 200, "{block}");
            assert_eq!(homeserver.targets().last().unwrap(), "/page", "{block}");
        }
    }
}
