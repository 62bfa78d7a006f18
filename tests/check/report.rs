//! The JSON report, as a test looks at it.

use serde_json::Value;

/// What `vestibule check --json` said.
pub(crate) struct Report {
    pub(crate) json: Value,
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Report {
    /// The ids of all warnings and errors.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().unwrap();
        let faults = findings
            .iter()
            .filter(|finding| finding["severity"] != "info");
        faults
            .map(|finding| finding["id"].as_str().unwrap())
            .collect()
    }

    /// Asserts that exactly this was found, and that the exit code fits.
    #[track_caller]
    pub(crate) fn finds(&self, ids: &[&str]) {
        assert_eq!(self.ids(), ids, "{:#}\n{}", self.json, self.stderr);
        let is_broken = self.json["verdict"] == "broken";
        assert_eq!(
            self.code,
            Some(if is_broken { 2 } else { 0 }),
            "{:#}",
            self.json
        );
    }

    /// Asserts that there is nothing but what is worth knowing, this among it.
    #[track_caller]
    pub(crate) fn informs(&self, id: &str) {
        self.finds(&[]);
        let findings = self.json["findings"].as_array().unwrap();
        let is_there = findings.iter().any(|finding| finding["id"] == id);
        assert!(is_there, "no {id}: {:#}", self.json);
    }

    /// The remedy of a finding.
    pub(crate) fn remedy(&self, id: &str) -> &str {
        let findings = self.json["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["id"] == id).unwrap();
        finding["remedy"].as_str().unwrap()
    }
}
