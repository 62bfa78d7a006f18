//! Waits: a condition and the one deadline that all tests share.

use std::time::Duration;

/// How long a condition may take before the test fails. Generous: it is only
/// ever used up by a test that fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The output of `future`, or a failure that names what was awaited.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let timely = tokio::time::timeout(DEADLINE, future).await;
    timely.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

/// Asks again and again until `condition` holds, for what cannot notify.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    within(what, async {
        while !condition().await {
            pace.tick().await;
        }
    })
    .await;
}
