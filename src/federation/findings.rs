//! What a check found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::{self, Fault, Severity};
use super::own::{self, Own};

/// Most observations that one finding repeats; the same fault on fifty addresses is one fault.
const MOST_SEEN: usize = 4;

/// A fault of this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which fault, as `docs/CHECK.md` lists them; it never changes.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, and where.
    pub seen: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// The line that mends it, with the names of this server.
    pub remedy: String,
}

/// What a check has found so far; each fault once.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a fault, or another sight of it.
    pub(super) fn add(&mut self, fault: &Fault, seen: impl Into<String>, names: &Names) {
        self.add_as(fault, fault.severity, seen, names);
    }

    /// Adds a fault whose severity depends on what else is there.
    pub(super) fn add_as(
        &mut self,
        fault: &Fault,
        severity: Severity,
        seen: impl Into<String>,
        names: &Names,
    ) {
        self.insert(Finding {
            id: fault.id.to_owned(),
            severity,
            seen: vec![seen.into()],
            why: names.fill(fault.why),
            remedy: names.remedy(fault),
        });
    }

    /// Whether a fault whose id begins so was found.
    pub(super) fn has(&self, prefix: &str) -> bool {
        self.0.iter().any(|finding| finding.id.starts_with(prefix))
    }

    /// Whether there is no error among them.
    pub(super) fn are_harmless(&self) -> bool {
        self.0
            .iter()
            .all(|finding| finding.severity < Severity::Error)
    }

    /// Leaves out what follows from another fault.
    pub(super) fn remove(&mut self, fault: &Fault) {
        self.0.retain(|finding| finding.id != fault.id);
    }

    /// Takes over what another part of the check found.
    pub(super) fn extend(&mut self, other: Self) {
        for finding in other.0 {
            self.insert(finding);
        }
    }

    /// Adds what was found elsewhere.
    pub(super) fn insert(&mut self, finding: Finding) {
        let Some(known) = self.0.iter_mut().find(|known| known.id == finding.id) else {
            self.0.push(finding);
            return;
        };
        known.severity = known.severity.max(finding.severity);
        for seen in finding.seen {
            if known.seen.len() < MOST_SEEN && !known.seen.contains(&seen) {
                known.seen.push(seen);
            }
        }
    }

    /// All of them, the worst first, and among equals in the order of the way.
    pub(super) fn into_sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| {
            let order = fault::all().position(|fault| fault.id == finding.id);
            (std::cmp::Reverse(finding.severity), order)
        });
        self.0
    }
}

/// Where the findings about one address go.
pub(super) struct Ledger<'a> {
    /// The address, as it is shown.
    pub(super) at: &'a str,
    pub(super) names: &'a Names,
    pub(super) findings: &'a mut Findings,
}

impl Ledger<'_> {
    /// Adds a fault of this address.
    pub(super) fn add(&mut self, fault: &Fault, seen: impl Into<String>) {
        self.findings.add(fault, seen, self.names);
    }
}

/// The names of one server, which the remedies are filled in with.
#[derive(Clone, Debug)]
pub(super) struct Names {
    values: Vec<(&'static str, String)>,
    /// Whether they are those of this program.
    are_own: bool,
}

impl Names {
    /// The names that follow from a server name alone; what is learnt later replaces them.
    pub(super) fn new(server_name: &str) -> Self {
        let lower = server_name.trim_end_matches('.').to_ascii_lowercase();
        let without_port = match lower.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &lower,
        };
        let host = || without_port.to_owned();
        let values = vec![
            ("server_name", server_name.to_owned()),
            ("host", host()),
            ("delegated", host()),
            ("tls_name", host()),
            ("host_header", lower.clone()),
            ("asked", host()),
            ("address", host()),
            ("addresses", host()),
            ("port", "8448".to_owned()),
            ("target", format!("{}:443", host())),
            ("suggested", format!("{}:443", host())),
            ("base_url", format!("https://{}", host())),
            ("location", String::new()),
            ("link", String::new()),
            ("notary", String::new()),
            ("key_id", "the key".to_owned()),
            ("lower", lower),
            ("homeserver", "http://127.0.0.1:8008".to_owned()),
        ];
        Self {
            values,
            are_own: false,
        }
    }

    /// The same where this program is what is checked.
    pub(super) fn of_own(mut self, own: &Own) -> Self {
        self.are_own = true;
        self.set("homeserver", own.homeserver.clone());
        self
    }

    /// What mends a fault here.
    pub(super) fn remedy(&self, fault: &Fault) -> String {
        let own = own::remedy(fault.id).filter(|_| self.are_own);
        self.fill(own.unwrap_or(fault.remedy))
    }

    /// Each name in place of itself, for the documentation.
    pub(super) fn placeholders() -> Self {
        let mut names = Self::new("");
        for (name, value) in &mut names.values {
            *value = format!("<{name}>");
        }
        names
    }

    /// The same names with one replaced.
    pub(super) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut names = self.clone();
        names.set(name, value);
        names
    }

    /// Replaces one.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        if let Some((_, known)) = self.values.iter_mut().find(|(known, _)| *known == name) {
            *known = value.into();
        }
    }

    /// A text with its `{names}` filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.values {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_on_many_addresses_is_one_finding() {
        let names = Names::new("example.org");
        let mut findings = Findings::default();
        for address in 0..9 {
            findings.add(&fault::ADDR_DEAD, format!("192.0.2.{address}"), &names);
        }
        findings.add_as(&fault::ADDR_IPV6, Severity::Info, "::1", &names);
        findings.add_as(&fault::ADDR_IPV6, Severity::Error, "::1", &names);
        let sorted = findings.into_sorted();
        assert_eq!(sorted.len(), 2);
        assert_eq!(sorted[0].seen.len(), MOST_SEEN);
        assert_eq!(sorted[1].seen, ["::1"]);
    }

    #[test]
    fn remedies_have_the_names_of_the_server() {
        let names = Names::new("Example.org:8448").with("address", "192.0.2.1");
        assert_eq!(
            names.fill("{host} {server_name} {address} {\"m.server\"}"),
            "example.org Example.org:8448 192.0.2.1 {\"m.server\"}"
        );
    }
}
