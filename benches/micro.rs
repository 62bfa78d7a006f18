//! The hot functions against the clock: `cargo bench --bench micro`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot run ends"
)]

mod hot;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for mut hot in hot::all() {
        criterion.bench_function(hot.name, |bencher| bencher.iter(|| (hot.call)()));
    }
    criterion.final_summary();
}
