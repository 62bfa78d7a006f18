//! What the program found when it last checked itself.

use serde_json::json;

use super::answer::Answer;
use crate::federation::Report;

/// `/self-check`: the report of every site as `vestibule check --json` prints it; none before the
/// first check has ended, or where it is off.
pub(super) fn reports(reports: &[Report]) -> Answer {
    Answer::json(&json!({ "reports": reports }))
}
