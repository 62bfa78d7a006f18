//! The documents that a site answers from memory.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{self, Action};
use crate::matrix::well_known::{self, Client, PolicyServer, Rendered, Server, Support};
use crate::route::{Document, Documents};

/// The well-known documents of a site.
pub(super) fn of(site: &config::Site) -> Documents {
    let written = &site.well_known;
    let max_age = written.max_age.duration();
    let delegate = site.delegate.as_ref();
    Documents {
        server: delegate.map(|delegate| {
            let document = Server {
                m_server: delegate.to_string(),
                extra: written.server.clone(),
            };
            rendered(&document.document(), max_age)
        }),
        client: Some(rendered(&client(&written.client).document(), max_age)),
        support: written
            .support
            .as_ref()
            .map(|written| rendered(&support(written).document(), max_age)),
        policy_server: written.policy_server.as_ref().map(|written| {
            let document = PolicyServer {
                ed25519: written.ed25519.as_str().to_owned(),
                extra: Map::new(),
            };
            rendered(&document.document(), max_age)
        }),
    }
}

fn client(written: &config::ClientDocument) -> Client {
    Client {
        base_url: written.base_url.as_str().to_owned(),
        identity_server: written
            .identity_server
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        extra: written.extra.clone(),
    }
}

fn support(written: &config::Support) -> Support {
    Support {
        contacts: written
            .contacts
            .iter()
            .map(|contact| well_known::Contact {
                role: contact.role.clone(),
                matrix_id: contact.matrix_id.clone(),
                email_address: contact.email_address.clone(),
            })
            .collect(),
        support_page: written
            .support_page
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        extra: Map::new(),
    }
}

/// Element Web's `config.json`: what is written, over what the site says of
/// itself. `None` where the route does not configure it, so that the folder's
/// own file is served.
pub(super) fn element_config(route: &config::Route, site: &config::Site) -> Option<Document> {
    let Action::Folder {
        config_json: Some(written),
        ..
    } = &route.action
    else {
        return None;
    };
    let mut document = json!({
        "default_server_config": {
            "m.homeserver": {
                "base_url": site.well_known.client.base_url.as_str(),
                "server_name": site.server_name.as_str(),
            }
        }
    });
    merge(&mut document, &Value::Object(written.clone()));
    Some(rendered(&document, Duration::ZERO))
}

/// Puts `over` over `base`, object by object.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => base.clone_from(over),
    }
}

fn rendered(document: &Value, max_age: Duration) -> Document {
    let Rendered { body, etag } = Rendered::new(document);
    let cache_control = match max_age.as_secs() {
        0 => "no-cache".to_owned(),
        seconds => format!("public, max-age={seconds}"),
    };
    Document::new(body, &etag, &cache_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_config_json_wins_key_by_key() {
        let mut base = json!({"a": {"x": 1, "y": 2}, "b": 3});
        merge(&mut base, &json!({"a": {"y": 4}, "c": [5]}));
        assert_eq!(base, json!({"a": {"x": 1, "y": 4}, "b": 3, "c": [5]}));
    }
}
