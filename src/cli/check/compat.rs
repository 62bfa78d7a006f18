//! The report in the shape of matrix-federation-tester's `/api/report`, for whoever reads that.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Map, Value, json};

use crate::federation::{Certificate, Connection, Report, Verdict};

/// The same facts in its words, as `JSONReport` of its `main.go` writes them. All of it is ASCII:
/// it holds the document of the keys as the far side wrote it.
pub(super) fn federation_tester(report: &Report) -> String {
    let mut text = String::new();
    for character in format!("{:#}", value(report)).chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        // Only strings hold such characters, and there this stands for them.
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

fn value(report: &Report) -> Value {
    // It has a report of whoever answered with keys, and an error of everybody else.
    let connected = |one: &&Connection| one.keys_document.is_some();
    let reports: Map<_, _> = report
        .connections
        .iter()
        .filter(connected)
        .map(|one| (one.address.clone(), connection(one, report)))
        .collect();
    let errors: Map<_, _> = report
        .connections
        .iter()
        .filter(|one| !connected(one))
        .map(|one| (one.address.clone(), json!({ "Message": one.problem })))
        .collect();
    let version = report.version.as_ref().map_or_else(
        || json!({ "error": "no version was answered" }),
        |version| json!({ "name": version.name, "version": version.version }),
    );
    let mut value = json!({
        "WellKnownResult": well_known(report),
        "DNSResult": dns(report),
        "ConnectionReports": reports,
        "ConnectionErrors": errors,
        "Version": version,
        "FederationOK": report.verdict != Verdict::Broken,
    });
    let name = &report.server_name;
    let is_invalid = report.findings.iter().any(|one| one.id == "name.invalid");
    if let Some(object) = value.as_object_mut().filter(|_| is_invalid) {
        object.insert(
            "Error".to_owned(),
            format!("Invalid server name '{name}'").into(),
        );
    }
    value
}

fn well_known(report: &Report) -> Value {
    let all = &report.discovery.well_known;
    let good = all.iter().find(|known| known.m_server.is_some());
    match (good, all.first()) {
        (Some(known), _) => json!({
            "m.server": known.m_server,
            "CacheExpiresAt": report.checked_at + known.cached_for.unwrap_or(0),
        }),
        (None, Some(known)) => json!({
            "m.server": "",
            "result": known.problem,
            "CacheExpiresAt": report.checked_at + known.cached_for.unwrap_or(0),
        }),
        (None, None) => json!({ "m.server": "", "CacheExpiresAt": 0 }),
    }
}

fn dns(report: &Report) -> Value {
    let discovery = &report.discovery;
    let used = discovery.srv.iter().find(|srv| !srv.records.is_empty());
    let records = used.into_iter().flat_map(|srv| &srv.records).map(|record| {
        json!({
            "Target": format!("{}.", record.target),
            "Port": record.port,
            "Priority": record.priority,
            "Weight": record.weight,
        })
    });
    let records: Vec<_> = records.collect();
    let has_records = !records.is_empty();
    let problem = discovery.srv.iter().find_map(|srv| srv.problem.as_ref());
    let hosts: Map<_, _> = discovery
        .targets
        .iter()
        .map(|target| {
            let host = json!({
                "CName": format!("{}.", target.host),
                "Addrs": target.addresses,
                "Error": null,
            });
            // Targets of SRV records are absolute there.
            let dot = if has_records { "." } else { "" };
            (format!("{}{dot}", target.host), host)
        })
        .collect();
    let addresses: Vec<_> = report.connections.iter().map(|one| &one.address).collect();
    json!({
        "SRVSkipped": discovery.srv.is_empty(),
        "SRVCName": used.map_or_else(String::new, |srv| format!("{}.", srv.name)),
        "SRVRecords": has_records.then_some(records),
        "SRVError": problem.map(|problem| json!({ "Message": problem })),
        "Hosts": hosts,
        "Addrs": addresses,
    })
}

fn connection(one: &Connection, report: &Report) -> Value {
    let now = i64::try_from(report.checked_at)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    let is_ours = one.keys_server_name.as_deref() == Some(&report.server_name);
    let is_current = one.keys_valid_until.is_some_and(|until| until > now);
    let has_key = !one.keys.is_empty();
    let all_signed = has_key && one.key_signatures.values().all(|is_signed| *is_signed);
    let keys: Map<_, _> = one
        .key_signatures
        .iter()
        .map(|(id, is_signed)| {
            let check = json!({ "ValidEd25519": is_signed, "MatchingSignature": is_signed });
            (id.clone(), check)
        })
        .collect();
    let of_certificate = ["tls.name", "tls.chain", "tls.expired", "tls.not_yet"];
    let faults = report.findings.iter().filter(|finding| {
        let mut groups = of_certificate.iter();
        !one.certificates_are_valid && groups.any(|group| finding.id.starts_with(group))
    });
    let errors = faults.flat_map(|finding| &finding.seen);
    let errors: Vec<_> = errors.map(|seen| json!({ "Message": seen })).collect();
    let suite = one.cipher_suite.as_deref().unwrap_or_default();
    json!({
        "Certificates": one.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "Cipher": { "Version": one.tls_version, "CipherSuite": suite.replace("TLS13_", "TLS_") },
        "Checks": {
            "AllChecksOK": is_ours && is_current && all_signed && one.certificates_are_valid,
            "MatchingServerName": is_ours,
            "FutureValidUntilTS": is_current,
            "HasEd25519Key": has_key,
            "AllEd25519ChecksOK": all_signed,
            "Ed25519Checks": keys,
            "ValidCertificates": one.certificates_are_valid,
        },
        "Errors": errors,
        "Ed25519VerifyKeys": one.keys,
        // Its `Info` has no fields.
        "Info": {},
        "Keys": one.keys_document,
    })
}

fn certificate(one: &Certificate) -> Value {
    let digits = one.sha256.as_bytes().chunks(2);
    let byte = |digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
    let fingerprint: Vec<u8> = digits.filter_map(byte).collect();
    json!({
        "SubjectCommonName": one.subject,
        "IssuerCommonName": one.issuer,
        "SHA256Fingerprint": STANDARD_NO_PAD.encode(fingerprint),
        "DNSNames": one.names,
    })
}
