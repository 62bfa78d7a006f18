//! The threads that serve: each has a runtime, sockets and upstream connections of its own, so
//! that a request never leaves the core on which it came.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, watch};

use crate::listen::socket::Bound;
use crate::listen::{App, Intake, accept};

/// What one thread accepts connections for.
pub(super) type Jobs<A> = Vec<(Bound, Arc<Intake<A>>)>;

/// The threads that serve.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// Closed when no thread accepts any more.
    accepting: mpsc::Receiver<()>,
    /// Tells the threads to end; so does its end.
    end: watch::Sender<bool>,
}

/// Threads of each that look up names and read files.
const BLOCKING: usize = 16;

/// How many threads there are for a configured number, where 0 stands for one per core.
pub(super) fn count(configured: u16) -> usize {
    match configured {
        0 => thread::available_parallelism().map_or(1, usize::from),
        configured => configured.into(),
    }
}

impl Workers {
    /// Starts a thread for each of `all`.
    pub(super) fn start<A: App>(all: Vec<Jobs<A>>) -> io::Result<Self> {
        let (is_accepting, accepting) = mpsc::channel(1);
        let (end, ending) = watch::channel(false);
        let mut threads = Vec::new();
        for (number, jobs) in all.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING)
                .build()?;
            let (is_accepting, ending) = (is_accepting.clone(), ending.clone());
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            threads.push(thread.spawn(move || {
                runtime.block_on(work(jobs, is_accepting, ending));
                // A look-up of a name may still hold a thread of its own.
                runtime.shutdown_background();
            })?);
        }
        Ok(Self {
            threads,
            accepting,
            end,
        })
    }

    /// Ends when no thread accepts connections any more.
    pub(super) async fn accepted(&mut self) {
        // Nothing is ever sent: the end of the last sender is the message.
        while self.accepting.recv().await.is_some() {}
    }

    /// Ends the threads, and whatever they still do.
    pub(super) fn end(self) {
        self.end.send_replace(true);
        for thread in self.threads {
            // One that panicked has ended as well.
            drop(thread.join());
        }
    }
}

async fn work<A: App>(
    jobs: Jobs<A>,
    is_accepting: mpsc::Sender<()>,
    mut ending: watch::Receiver<bool>,
) {
    for (bound, intake) in jobs {
        let is_accepting = is_accepting.clone();
        tokio::spawn(async move {
            accept_until_stopped(bound, intake).await;
            drop(is_accepting);
        });
    }
    drop(is_accepting);
    drop(ending.wait_for(|end| *end).await);
}

/// Accepts until Vestibule stops. A listener that fails is told of, and the others go on.
pub(super) async fn accept_until_stopped<A: App>(bound: Bound, intake: Arc<Intake<A>>) {
    let local = bound.local.clone();
    if let Err(error) = accept(bound, intake).await {
        tracing::error!(%error, "the listener on {local} has failed");
    }
}
