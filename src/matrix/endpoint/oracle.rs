//! The operations of the specification and the routes of Synapse, as the
//! fixtures list them, turned into sample paths.

use super::Row;

/// Stands for every parameter in a sample path.
pub(super) const SAMPLE: &str = "!Id%2Fx:y";

/// A request that the classifier has to know.
pub(super) struct Sample {
    pub(super) method: http::Method,
    pub(super) path: String,
    /// The template of the specification or the pattern of Synapse.
    pub(super) source: String,
}

/// The operations of the specification.
pub(super) fn specification() -> Vec<Sample> {
    lines(include_str!(
        "../../../tests/fixtures/matrix/matrix-endpoints.csv"
    ))
    .map(|fields| Sample {
        method: fields[1].parse().unwrap(),
        path: fill(fields[2]),
        source: fields[2].to_owned(),
    })
    .collect()
}

/// The routes of Synapse, each spelling that their patterns allow.
pub(super) fn synapse() -> Vec<Sample> {
    lines(include_str!(
        "../../../tests/fixtures/matrix/synapse-routes.csv"
    ))
    .flat_map(|fields| {
        expand(fields[2]).into_iter().map(move |path| Sample {
            method: fields[1].parse().unwrap(),
            path,
            source: fields[2].to_owned(),
        })
    })
    .collect()
}

/// The paths of a row, with a sample in the place of every parameter.
pub(super) fn spellings(row: &Row) -> Vec<String> {
    let path = |template: &str| fill(template).replace("/*", "/any/thing");
    let mut all: Vec<String> = if row.versions().is_empty() {
        vec![path(row.template())]
    } else {
        let versions = row.versions().iter();
        versions
            .map(|v| path(&row.template().replacen("{version}", v, 1)))
            .collect()
    };
    if row.has_optional_slash() {
        all.extend(all.clone().into_iter().map(|path| path + "/"));
    }
    all
}

/// The routes of Synapse, and whether workers have them as well as the main process.
pub(super) fn synapse_workers() -> Vec<(Sample, bool)> {
    let text = include_str!("../../../tests/fixtures/matrix/synapse-workers.csv");
    lines(text)
        .flat_map(|fields| {
            expand(fields[1]).into_iter().map(move |path| {
                let sample = Sample {
                    method: fields[0].parse().unwrap(),
                    path,
                    source: fields[1].to_owned(),
                };
                (sample, fields[2] == "yes")
            })
        })
        .collect()
}

fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

/// A template with a sample in the place of every parameter.
pub(super) fn fill(template: &str) -> String {
    let segments = template.split('/');
    let filled = segments.map(|s| if s.starts_with('{') { SAMPLE } else { s });
    filled.collect::<Vec<_>>().join("/")
}

/// All texts that a pattern of Synapse's router stands for, with [`SAMPLE`]
/// for `[^/]*` and its like and two segments for `.*`.
fn expand(pattern: &str) -> Vec<String> {
    let bytes: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    let all = alternatives(&bytes, &mut at);
    assert_eq!(at, bytes.len(), "{pattern}");
    all
}

fn alternatives(pattern: &[char], at: &mut usize) -> Vec<String> {
    let mut all = sequence(pattern, at);
    while pattern.get(*at) == Some(&'|') {
        *at += 1;
        all.extend(sequence(pattern, at));
    }
    all
}

fn sequence(pattern: &[char], at: &mut usize) -> Vec<String> {
    let mut all = vec![String::new()];
    while let Some(&c) = pattern.get(*at).filter(|c| !matches!(c, '|' | ')')) {
        *at += 1;
        let mut next = match c {
            '^' | '$' => continue,
            '(' => {
                if pattern.get(*at) == Some(&'?') {
                    *at += pattern[*at..].iter().position(|&c| c == '>').unwrap() + 1;
                }
                let inner = alternatives(pattern, at);
                assert_eq!(pattern[*at], ')');
                *at += 1;
                inner
            }
            '[' => {
                *at += pattern[*at..].iter().position(|&c| c == ']').unwrap() + 2;
                vec![SAMPLE.to_owned()]
            }
            '.' if pattern.get(*at) == Some(&'*') => {
                *at += 1;
                vec![format!("other/{SAMPLE}")]
            }
            '\\' => {
                *at += 1;
                vec![pattern[*at - 1].to_string()]
            }
            _ => vec![c.to_string()],
        };
        if pattern.get(*at) == Some(&'?') {
            *at += 1;
            next.push(String::new());
        }
        all = all
            .iter()
            .flat_map(|before| next.iter().map(move |after| format!("{before}{after}")))
            .collect();
    }
    all
}

#[test]
fn patterns_expand_to_every_spelling() {
    let id = SAMPLE;
    assert_eq!(
        expand(r"^/a/(r0|v3)/(?P<p>[^/]+)(/(?P<q>[^/]*))?$"),
        [
            format!("/a/r0/{id}/{id}"),
            format!("/a/r0/{id}"),
            format!("/a/v3/{id}/{id}"),
            format!("/a/v3/{id}"),
        ]
    );
    assert_eq!(
        expand(r"^/x\.y/(?P<m>join|ban)/?$"),
        ["/x.y/join/", "/x.y/join", "/x.y/ban/", "/x.y/ban"]
    );
}
