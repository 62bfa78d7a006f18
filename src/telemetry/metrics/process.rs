//! What the kernel says of this process, under the names that Prometheus
//! dashboards expect.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, IntGauge};

use super::declared::Families;

/// Clock ticks a second in `/proc/self/stat`: part of Linux' interface to user
/// space, 100 whatever the kernel's own clock is.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process metrics; brought up to date before each scrape.
pub(super) struct Process {
    cpu_seconds: Counter,
    resident_bytes: IntGauge,
    virtual_bytes: IntGauge,
    threads: IntGauge,
    open_files: IntGauge,
    max_files: IntGauge,
}

impl Process {
    pub(super) fn new(families: &Families, started: SystemTime) -> Self {
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        families
            .process_start_time
            .with([], |gauge| gauge.set(started.as_secs_f64()));
        Self {
            cpu_seconds: families.process_cpu_seconds.child([]),
            resident_bytes: families.process_resident_bytes.child([]),
            virtual_bytes: families.process_virtual_bytes.child([]),
            threads: families.process_threads.child([]),
            open_files: families.process_open_files.child([]),
            max_files: families.process_max_files.child([]),
        }
    }

    /// Reads `/proc`; what cannot be read keeps its last value.
    pub(super) fn refresh(&self) {
        let read = |file: &str| fs::read_to_string(Path::new("/proc/self").join(file)).ok();
        if let Some(seconds) = read("stat").as_deref().and_then(cpu_seconds) {
            // Two scrapes at once may come here in either order.
            self.cpu_seconds
                .inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        }
        let status = read("status").unwrap_or_default();
        set(&self.resident_bytes, number_after(&status, "VmRSS:"), 1024);
        set(&self.virtual_bytes, number_after(&status, "VmSize:"), 1024);
        set(&self.threads, number_after(&status, "Threads:"), 1);
        let limits = read("limits").unwrap_or_default();
        set(&self.max_files, number_after(&limits, "Max open files"), 1);
        set(&self.open_files, open_files(), 1);
    }
}

fn set(gauge: &IntGauge, value: Option<i64>, unit: i64) {
    if let Some(value) = value {
        gauge.set(value.saturating_mul(unit));
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The command name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn number_after(text: &str, key: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<i64> {
    // Since Linux 6.2 the size of the folder is the count; older kernels say 0.
    let length = fs::metadata("/proc/self/fd").ok()?.len();
    let count = match usize::try_from(length).ok()? {
        0 => fs::read_dir("/proc/self/fd").ok()?.count(),
        count => count,
    };
    i64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_processor_time_behind_a_hostile_command_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }

    #[test]
    fn reads_numbers_by_key() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t5\n";
        assert_eq!(number_after(status, "VmRSS:"), Some(2048));
        assert_eq!(
            number_after("Max open files  unlimited", "Max open files"),
            None
        );
        assert_eq!(number_after(status, "VmSwap:"), None);
    }
}
