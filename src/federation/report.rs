//! The report of a check: what it saw, step by step, and what it found.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::Severity;
use super::findings::Finding;

/// The result of one check. Fields are added in later versions, and none changes its meaning.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this format.
    pub format: u32,
    /// What was checked.
    pub server_name: String,
    /// When, in seconds since 1970.
    pub checked_at: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether other servers reach this one.
    pub verdict: Verdict,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Where server discovery led.
    pub discovery: Discovery,
    /// Every address that other servers connect to.
    pub connections: Vec<Connection>,
    /// What the homeserver says it is.
    pub version: Option<Version>,
    /// What another server was told of the keys, where one was to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notary: Option<Notary>,
    /// Where clients are led to.
    pub client_base_url: Option<String>,
    /// What was tested, and what could not be, with the reason.
    pub checks: Vec<Check>,
}

/// Whether other servers reach this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They do.
    Healthy,
    /// They do, and something should be mended.
    Warnings,
    /// Some or all do not.
    Broken,
}

impl Verdict {
    pub(super) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Self::Broken,
            Some(Severity::Warning) => Self::Warnings,
            Some(Severity::Info) | None => Self::Healthy,
        }
    }
}

/// Where server discovery led (server-server API, "Resolving server names").
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Discovery {
    /// The steps that were taken, by the numbers of the specification.
    pub steps: Vec<Step>,
    /// `/.well-known/matrix/server`, by address.
    pub well_known: Vec<WellKnown>,
    /// The SRV records that were asked for.
    pub srv: Vec<Srv>,
    /// What other servers send as `Host`.
    pub host_header: String,
    /// The name that the certificate must be for.
    pub tls_name: String,
    /// Where they connect to, in order.
    pub targets: Vec<Target>,
}

/// One step of server discovery.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The number of the specification: `3.1`.
    pub number: String,
    /// What came of it.
    pub outcome: String,
}

/// `/.well-known/matrix/server` as one address answered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WellKnown {
    /// The address.
    pub address: String,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// The URLs on the way, the last one included.
    pub hops: Vec<String>,
    /// What `m.server` says.
    pub m_server: Option<String>,
    /// For how many seconds Synapse keeps the result.
    pub cached_for: Option<u64>,
    /// Why it is of no use.
    pub problem: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A look-up of SRV records.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Srv {
    /// The name that was asked for.
    pub name: String,
    /// The records, in the order in which they are tried.
    pub records: Vec<SrvRecord>,
    /// Why there is no answer.
    pub problem: Option<String>,
    /// For how many seconds DNS lets the answer be kept.
    pub ttl: Option<u32>,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SrvRecord {
    /// Lower ones come first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, without a dot at the end.
    pub target: String,
}

/// A host that other servers connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// For how many seconds DNS lets them be kept.
    pub ttl: Option<u32>,
}

/// What one address answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// Address and port.
    pub address: String,
    /// How far it went: `connect`, `tls`, `http` or `keys`.
    pub reached: String,
    /// Why it went no further.
    pub problem: Option<String>,
    /// Time to connect, in milliseconds.
    pub connect_ms: Option<u64>,
    /// The protocol that was negotiated: `TLS 1.3`.
    pub tls_version: Option<String>,
    /// The cipher suite.
    pub cipher_suite: Option<String>,
    /// The certificates as they were sent.
    pub certificates: Vec<Certificate>,
    /// Whether another server would accept them.
    pub certificates_are_valid: bool,
    /// Whether HTTP/2 is offered.
    pub offers_http2: Option<bool>,
    /// The signing keys, by key id, in base64.
    pub keys: BTreeMap<String, String>,
    /// Until when the keys are valid, in milliseconds since 1970.
    pub keys_valid_until: Option<i64>,
    /// The server name that the keys are for.
    pub keys_server_name: Option<String>,
    /// Whether the keys sign their own document, by key id.
    pub key_signatures: BTreeMap<String, bool>,
    /// The document of the keys as it came, which is no part of the JSON report: its words are the
    /// far side's.
    #[serde(skip)]
    pub keys_document: Option<serde_json::Value>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Its common name.
    pub subject: String,
    /// The common name of who signed it.
    pub issuer: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
}

/// What a homeserver says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The name of the software.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What another server knows of the keys (server-server API, "Querying keys through another
/// server").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notary {
    /// Its server name.
    pub name: String,
    /// The keys that are valid now, by key id, in base64.
    pub keys: BTreeMap<String, String>,
    /// Why it could not be asked.
    pub problem: Option<String>,
}

/// A group of tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The group: `path`.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a group of tests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing to complain about.
    Passed,
    /// A warning.
    Warned,
    /// An error.
    Failed,
    /// Not done.
    Skipped,
}

impl Report {
    /// The JSON schema of the report.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Report)
    }
}
