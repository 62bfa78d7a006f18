//! The threads that serve: each has a runtime, sockets and upstream connections of its own, so
//! that a request never leaves the core on which it came.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::listen::socket::Bound;
use crate::listen::{App, Intake, accept};

/// A socket, and what its connections are served by: whatever is in there when they come.
pub(super) type Job<A> = (Bound, Arc<ArcSwap<Intake<A>>>);

/// What a thread is told.
enum Order<A> {
    Accept(Job<A>),
    /// To say that it is at work.
    Answer(oneshot::Sender<()>),
}

/// The threads that serve.
pub(super) struct Workers<A> {
    threads: Vec<JoinHandle<()>>,
    /// The way to each thread. Gone when there is nothing more to accept.
    orders: Vec<mpsc::UnboundedSender<Order<A>>>,
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

impl<A: App> Workers<A> {
    /// Starts so many threads, called `name` and a number.
    pub(super) fn start(name: &str, count: usize) -> io::Result<Self> {
        let (is_accepting, accepting) = mpsc::channel(1);
        let (end, ending) = watch::channel(false);
        let (mut threads, mut orders) = (Vec::new(), Vec::new());
        for number in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING)
                .build()?;
            let (is_accepting, ending) = (is_accepting.clone(), ending.clone());
            let (new_orders, given) = mpsc::unbounded_channel();
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            threads.push(thread.spawn(move || {
                runtime.block_on(work(given, is_accepting, ending));
                // A look-up of a name may still hold a thread of its own.
                runtime.shutdown_background();
            })?);
            orders.push(new_orders);
        }
        Ok(Self {
            threads,
            orders,
            accepting,
            end,
        })
    }

    /// Gives `job` to the thread of this number.
    pub(super) fn add(&self, number: usize, job: Option<Job<A>>) {
        if let (Some(orders), Some(job)) = (self.orders.get(number), job) {
            // Fails only where the thread has ended, and nothing is served any more.
            drop(orders.send(Order::Accept(job)));
        }
    }

    /// Ends when every thread has said that it is at work: never where one does not.
    pub(super) async fn answer(&self) {
        let ask = |orders: &mpsc::UnboundedSender<Order<A>>| {
            let (answer, answered) = oneshot::channel();
            drop(orders.send(Order::Answer(answer)));
            answered
        };
        let asked: Vec<_> = self.orders.iter().map(ask).collect();
        for answered in asked {
            if answered.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends when no thread accepts connections any more, nor will.
    pub(super) async fn accepted(&mut self) {
        self.orders.clear();
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
    mut given: mpsc::UnboundedReceiver<Order<A>>,
    is_accepting: mpsc::Sender<()>,
    mut ending: watch::Receiver<bool>,
) {
    let accepting = async {
        while let Some(order) = given.recv().await {
            match order {
                Order::Accept(job) => {
                    tokio::spawn(accept_until_closed(job, is_accepting.clone()));
                }
                // Whoever asked may have given up.
                Order::Answer(answer) => drop(answer.send(())),
            }
        }
        drop(is_accepting);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = accepting => {}
        _ = ending.wait_for(|end| *end) => {}
    }
}

/// Accepts until the listener closes. One that fails is told of, and the others go on.
async fn accept_until_closed<A: App>((bound, current): Job<A>, _is_accepting: mpsc::Sender<()>) {
    let local = bound.local.clone();
    if let Err(error) = accept(bound, current).await {
        tracing::error!(%error, "the listener on {local} has failed");
    }
}
