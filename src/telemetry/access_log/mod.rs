//! The access log: one line a request, written by a thread of its own.
//!
//! A request only puts its record into a bounded queue. When the writer cannot
//! keep up, records are dropped and counted; a request never waits for a disk.

mod entry;
mod line;
mod output;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;

use super::record::AccessRecord;
use entry::Entry;
use output::Output;

pub use output::{AccessLogError, AccessLogTarget};

/// How many records may wait.
const QUEUE_LENGTH: usize = 8192;

/// How long the writer collects records before it writes them in one call.
const LINGER: Duration = Duration::from_millis(20);

/// How long [`AccessLog::close`] waits for an output that takes nothing.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A buffer of this size is written without waiting for more.
const WRITE_SIZE: usize = 64 * 1024;

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for a person.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Appends `record` to `line` as the writer would: the benches measure it apart
/// from the queue and the file.
pub fn access_line(
    record: &AccessRecord<'_>,
    format: LogFormat,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    line::write(line, &Entry::new(record), format)
}

/// The way into the access log.
pub(super) struct AccessLog {
    shared: Arc<Shared>,
}

/// Where lost records are counted.
#[derive(Clone)]
pub(super) struct Lost {
    pub(super) queue_full: IntCounter,
    pub(super) write_failed: IntCounter,
}

/// What requests and the writer share.
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes who waits for the writer's end.
    ended: Condvar,
    lost: Lost,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    /// No more records come; the writer ends when it has written what is there.
    closing: bool,
    /// The file is to be opened anew.
    reopen: bool,
    ended: bool,
}

impl AccessLog {
    /// Opens the target and starts the writer.
    pub(super) fn start(
        format: LogFormat,
        target: AccessLogTarget,
        lost: Lost,
    ) -> Result<Self, AccessLogError> {
        Self::write_to(Output::open(target)?, format, lost)
    }

    fn write_to(output: Output, format: LogFormat, lost: Lost) -> Result<Self, AccessLogError> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            lost,
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            output,
            format,
            lines: Vec::new(),
            in_lines: 0,
            healthy: true,
        };
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())
            .map_err(AccessLogError::Thread)?;
        Ok(Self { shared })
    }

    /// Queues the record of a finished request.
    pub(super) fn record(&self, record: &AccessRecord<'_>) {
        self.queue(Entry::new(record));
    }

    /// Queues the record of a request whose head was refused.
    pub(super) fn refused_head(
        &self,
        listener: &str,
        client: Option<IpAddr>,
        status: u16,
        reason: &'static str,
    ) {
        let now = SystemTime::now();
        self.queue(Entry::refused_head(now, listener, client, status, reason));
    }

    fn queue(&self, entry: Entry) {
        let mut queue = self.shared.lock();
        if queue.closing || queue.entries.len() >= QUEUE_LENGTH {
            drop(queue);
            self.shared.lost.queue_full.inc();
            return;
        }
        queue.entries.push(entry);
        let length = queue.entries.len();
        drop(queue);
        // The writer waits for the first record, then for half a queue or its
        // linger time: waking it for each would cost more than the record.
        if length == 1 || length == QUEUE_LENGTH / 2 {
            self.shared.work.notify_one();
        }
    }

    /// Opens the file anew, after something moved it away.
    pub(super) fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.work.notify_one();
    }

    /// Writes what is queued and ends the writer. Blocks until that is done,
    /// five seconds at most. Says whether everything queued was dealt with.
    pub(super) fn close(&self) -> bool {
        let mut queue = self.shared.lock();
        queue.closing = true;
        self.shared.work.notify_one();
        let waited = self
            .shared
            .ended
            .wait_timeout_while(queue, CLOSE_PATIENCE, |queue| !queue.ended)
            .unwrap_or_else(PoisonError::into_inner);
        waited.0.ended
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for records and swaps them with the empty `batch`.
    fn take(&self, batch: &mut Vec<Entry>) -> Order {
        let idle = |queue: &mut Queue| queue.entries.is_empty() && !queue.closing && !queue.reopen;
        let filling = |queue: &mut Queue| queue.entries.len() < QUEUE_LENGTH / 2 && !queue.closing;
        let queue = self.lock();
        let queue = self
            .work
            .wait_while(queue, idle)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut queue, _) = self
            .work
            .wait_timeout_while(queue, LINGER, filling)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut queue.entries, batch);
        Order {
            closing: queue.closing,
            reopen: std::mem::take(&mut queue.reopen),
        }
    }
}

/// What the writer is to do besides writing.
struct Order {
    closing: bool,
    reopen: bool,
}

/// The writing end.
struct Writer {
    shared: Arc<Shared>,
    output: Output,
    format: LogFormat,
    /// Lines not yet written, and how many they are.
    lines: Vec<u8>,
    in_lines: u64,
    /// Whether the last write succeeded.
    healthy: bool,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let order = self.shared.take(&mut batch);
            if order.reopen
                && let Err(error) = self.output.reopen()
            {
                tracing::error!(%error, "cannot reopen the access log; the old file stays in use");
            }
            for entry in batch.drain(..) {
                self.add(&entry);
            }
            self.flush();
            if order.closing {
                self.shared.lock().ended = true;
                self.shared.ended.notify_all();
                return;
            }
        }
    }

    fn add(&mut self, entry: &Entry) {
        let before = self.lines.len();
        if line::write(&mut self.lines, entry, self.format).is_err() {
            self.lines.truncate(before);
            self.shared.lost.write_failed.inc();
            return;
        }
        self.in_lines += 1;
        if self.lines.len() >= WRITE_SIZE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let written = self.output.write(&self.lines);
        match written {
            Ok(()) if !self.healthy => tracing::info!("the access log is written again"),
            Ok(()) => {}
            Err(ref error) => {
                self.shared.lost.write_failed.inc_by(self.in_lines);
                // Once for each disturbance, not for each write.
                if self.healthy {
                    tracing::error!(%error, "cannot write the access log");
                }
            }
        }
        self.healthy = written.is_ok();
        self.lines.clear();
        self.in_lines = 0;
    }
}

#[cfg(test)]
mod tests;
