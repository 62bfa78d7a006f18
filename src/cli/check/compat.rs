//! The report in the shape of matrix-federation-tester's `/api/report`, for whoever reads that.

use serde_json::{Map, Value, json};

use crate::federation::{Certificate, Connection, Report, Verdict};

/// The same facts in its words. What it leaves out, as the reasons of a failure, is in `Errors`.
pub(super) fn federation_tester(report: &Report) -> Value {
    let connected = |one: &&Connection| one.tls_version.is_some();
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
    json!({
        "WellKnownResult": well_known(report),
        "DNSResult": dns(report),
        "ConnectionReports": reports,
        "ConnectionErrors": errors,
        "Version": version,
        "FederationOK": report.verdict != Verdict::Broken,
    })
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
            (target.host.clone(), host)
        })
        .collect();
    let addresses: Vec<_> = report.connections.iter().map(|one| &one.address).collect();
    json!({
        "SRVSkipped": discovery.srv.is_empty(),
        "SRVCName": used.map_or("", |srv| &srv.name),
        "SRVRecords": records,
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
    let errors: Vec<_> = one.problem.iter().collect();
    json!({
        "Certificates": one.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "Cipher": { "Version": one.tls_version, "CipherSuite": one.cipher_suite },
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
        "Info": {},
        "Keys": null,
    })
}

fn certificate(one: &Certificate) -> Value {
    json!({
        "SubjectCommonName": one.subject,
        "IssuerCommonName": one.issuer,
        "SHA256Fingerprint": one.sha256,
        "DNSNames": one.names,
    })
}
