//! A request for every endpoint there is.

use http::Method;

use crate::matrix::endpoint::{Api, Row, classify, rows};
use crate::matrix::initial_sync::Split;
use crate::matrix::worker::Group;

/// A request, as far as another proxy looks at it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// The template that it was made of.
    pub(super) template: &'static str,
    pub(super) api: Api,
    /// Decoded.
    pub(super) path: String,
    /// The names of the arguments in its query.
    pub(super) arguments: &'static [&'static str],
    /// Who answers it here.
    pub(super) group: Group,
    /// Whether the Matrix Authentication Service does, where there is one.
    pub(super) is_mas_compat: bool,
}

/// A request for each endpoint of the homeserver, in each version of it.
pub(super) fn samples() -> Vec<Sample> {
    let known = rows().filter(|row| is_answered(row.api()) && !row.template().ends_with('*'));
    known
        .flat_map(|row| {
            let paths = paths(row).into_iter();
            paths.flat_map(|path| of_path(row, &path))
        })
        .collect()
}

/// One request, or two where the first of its kind goes elsewhere than what continues it.
fn of_path(row: &Row, path: &str) -> Vec<Sample> {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    let Some(method) = methods.iter().find(|method| row.allows(method)) else {
        return Vec::new();
    };
    let endpoint = classify(method, path.as_bytes());
    let sample = |arguments, group| Sample {
        template: row.template(),
        api: row.api(),
        path: path.to_owned(),
        arguments,
        group,
        is_mas_compat: endpoint.is_mas_compat,
    };
    match endpoint.split {
        None => vec![sample(&[], row.group())],
        Some(split) => {
            let continues: &[&str] = match split {
                Split::Since => &["since"],
                Split::Pos => &["pos"],
            };
            vec![
                sample(&[], Group::InitialSynchrotron),
                sample(continues, row.group()),
            ]
        }
    }
}

fn paths(row: &Row) -> Vec<String> {
    let fill = |template: &str| {
        let segments = template.split('/').map(|segment| match segment {
            "{roomId}" => "!room:example.com",
            "{userId}" => "@user:example.com",
            "{eventId}" => "$event",
            other if other.starts_with('{') && other != "{version}" => "id",
            other => other,
        });
        segments.collect::<Vec<_>>().join("/")
    };
    let path = fill(row.template());
    if row.versions().is_empty() {
        return vec![path];
    }
    let versions = row.versions().iter();
    versions
        .map(|version| path.replacen("{version}", version, 1))
        .collect()
}

const fn is_answered(api: Api) -> bool {
    match api {
        Api::Client
        | Api::Federation
        | Api::Key
        | Api::Media
        | Api::Static
        | Api::SynapseClient => true,
        Api::WellKnown
        | Api::SynapseAdmin
        | Api::SynapseInternal
        | Api::Appservice
        | Api::Identity
        | Api::Push
        | Api::Other => false,
    }
}
