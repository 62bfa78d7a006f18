//! What mends this program's own faults: lines of its configuration, not of another proxy's.

/// The program that is checked is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Where its homeserver is, as its configuration says.
    pub homeserver: String,
    /// Whether this machine may see what strangers may not, so that it tells nothing of them.
    pub is_insider: bool,
}

const HOMESERVER: &str = "homeserver = \"{homeserver}\"   # does Synapse run, and listen there for client and federation?";
const CERTIFICATE: &str =
    "vestibule certs   # says which there is for {tls_name}, until when, and why none";

/// Remedies in the words of `vestibule.toml`, by the beginning of ids.
const REMEDIES: &[(&str, &str)] = &[
    (
        "dns.none",
        "hosts = [\"{asked}\"]   # if this site answers for it",
    ),
    ("wk.body.port", "delegate = \"{delegated}:443\""),
    (
        "addr.dead",
        "listeners = [\"*:{port}\"]   # and see in the log why it is not open",
    ),
    (
        "tls.chain.incomplete",
        "certificate = \"/etc/letsencrypt/live/{tls_name}/fullchain.pem\"   # not cert.pem",
    ),
    (
        "tls.chain.leaves",
        "certificate = \"/etc/letsencrypt/live/{tls_name}/fullchain.pem\"   # nothing else in it",
    ),
    ("tls.", CERTIFICATE),
    ("http.silent", HOMESERVER),
    ("http.status", HOMESERVER),
    ("http.upstream", HOMESERVER),
    ("http.route", HOMESERVER),
    ("path.prefix", HOMESERVER),
    ("ver.schema", HOMESERVER),
    ("key.json", HOMESERVER),
    (
        "key.server_name",
        "server_name = \"{server_name}\"   # and the same in homeserver.yaml of {homeserver}",
    ),
    ("client.wk.versions", HOMESERVER),
    (
        "fwd.",
        "public_baseurl: {base_url}   # homeserver.yaml; x_forwarded: true on its listener",
    ),
];

/// What mends a fault of this program.
pub(super) fn remedy(id: &str) -> Option<&'static str> {
    let mut remedies = REMEDIES.iter();
    let found = remedies.find(|(beginning, _)| id.starts_with(beginning));
    found.map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fault;
    use crate::federation::findings::{Findings, Names};

    fn names() -> Names {
        let own = Own {
            homeserver: "http://127.0.0.1:8008".to_owned(),
            is_insider: false,
        };
        Names::new("a.test").of_own(&own)
    }

    #[test]
    fn every_remedy_is_for_a_fault_that_there_is() {
        for (beginning, remedy) in REMEDIES {
            let mut faults = fault::all();
            assert!(
                faults.any(|one| one.id.starts_with(beginning)),
                "{beginning}"
            );
            let filled = names().fill(remedy);
            assert!(!filled.contains('{'), "{filled}");
        }
    }

    #[test]
    fn our_own_faults_are_mended_in_our_own_words() {
        let mut findings = Findings::default();
        findings.add(&fault::HTTP_UPSTREAM, "", &names());
        findings.add(&fault::KEY_SKEW, "", &names());
        let findings = findings.into_sorted();
        let remedies: Vec<_> = findings.iter().map(|one| &*one.remedy).collect();
        assert!(remedies[0].starts_with("homeserver = \"http://127.0.0.1:8008\""));
        assert!(remedies[1].starts_with("timedatectl"));
    }
}
