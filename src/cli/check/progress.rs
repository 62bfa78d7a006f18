//! Shows on a terminal that something is going on.

use std::io;
use std::time::Duration;

use super::Terminal;
use crate::federation::Progress;

/// How often the line is written anew.
const PACE: Duration = Duration::from_millis(100);
/// Returns to the start of the line, and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Waits for `work`, and says meanwhile how many probes have ended.
pub(super) async fn shown<T>(
    work: impl Future<Output = T>,
    progress: &Progress,
    terminal: &mut Terminal<'_>,
) -> io::Result<T> {
    let mut work = std::pin::pin!(work);
    if !terminal.is_coloured {
        return Ok(work.await);
    }
    let mut pace = tokio::time::interval(PACE);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                write!(terminal.err, "{CLEAR}")?;
                terminal.err.flush()?;
                return Ok(done);
            }
            _ = pace.tick() => {
                let (begun, ended) = progress.counts();
                write!(terminal.err, "{CLEAR}checking: {ended} of {begun} probes")?;
                terminal.err.flush()?;
            }
        }
    }
}
