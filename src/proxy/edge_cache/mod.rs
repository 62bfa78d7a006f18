//! Public documents that everybody gets alike, kept at the door: the homeserver's keys and
//! version, what clients ask first.
//!
//! As long as `Cache-Control` of the homeserver allows, they are answered from memory; requests
//! that come at once are one request to the homeserver; and while it is down, the last good answer
//! is given out. Whatever else happens, the request goes on as any other does.

mod asked;
mod kept;
mod question;
mod slot;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use quick_cache::sync::Cache;

use self::asked::Asked;
pub(super) use self::asked::concerns;
use self::kept::{Kept, Whole};
use self::question::{Brought, Question};
use self::slot::{Landed, Slot};
use super::Engine;
use super::carry::carry;
use super::context::RequestContext;
use super::failure::Problem;
use super::response;
use crate::listen::{Downstream, Fault};
use crate::message::{Fields, RequestHead};
use crate::policy::Standing;
use crate::upstream::Upstream;

/// Documents at most; each has 64 KiB at most, and usually a few.
const MOST_DOCUMENTS: usize = 256;
/// Bytes of the largest document.
const LARGEST: usize = 64 << 10;
/// How long the homeserver may take while there is a document to give out instead.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failure the homeserver is not asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The homeserver's keys, with the time until which they are valid.
    Keys,
    /// Another.
    Other,
}

/// The documents of all sites, for the whole process. What is asked for rarely makes room for what
/// is asked for often.
pub(super) struct EdgeCache(Cache<Vec<u8>, Arc<Slot>>);

/// Where an answer is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Memory.
    Hit,
    /// Memory, while a new one is fetched.
    Revalidated,
    /// Memory, as the homeserver is down.
    Stale,
    /// A request of somebody else at the same time.
    Shared,
    /// The homeserver.
    Miss,
    /// To be asked for by the request itself.
    Passed,
}

impl From {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Revalidated => "revalidated",
            Self::Stale => "stale",
            Self::Shared => "shared",
            Self::Miss => "miss",
            Self::Passed => "passed",
        }
    }
}

/// What there is to answer with.
enum Found {
    /// A document that was there, or that somebody else has got.
    Kept(Arc<Kept>, From),
    /// A document that this request has got.
    New(Arc<Kept>, Arc<Upstream>),
    /// An answer to this request alone.
    Own(Whole, Arc<Upstream>),
    /// Nothing: the request has to go up.
    Nothing,
}

impl EdgeCache {
    /// Nothing is kept yet.
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST_DOCUMENTS))
    }

    /// The one slot of a key, whoever asks for it first.
    fn slot(&self, key: &[u8]) -> Arc<Slot> {
        let made = self.0.get_or_insert_with(key, || Ok(Arc::default()));
        made.unwrap_or_else(|never: Infallible| match never {})
    }
}

/// Answers a request that [`concerns`] the cache: from memory where that is right, else as any
/// other.
pub(super) async fn serve(
    engine: &Engine,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let Some(asked) = Asked::new(head, downstream, ctx) else {
        return carry(engine, head, downstream, ctx).await;
    };
    let question = Question::new(asked.kind, head, ctx)?;
    let found = tokio::select! {
        found = find(engine, &asked, question) => found?,
        () = poll_fn(|cx| downstream.poll_gone(cx)) => return Err(Fault::Gone.into()),
    };
    let from = match &found {
        Found::Kept(_, from) => *from,
        Found::New(..) | Found::Own(..) => From::Miss,
        Found::Nothing => From::Passed,
    };
    let door = &engine.door;
    door.telemetry.edge_cache(asked.template, from.as_str());
    door.telemetry.documents_kept(door.edge_cache.0.len());
    match found {
        Found::Kept(kept, _) => {
            // For the record: it went to no upstream.
            ctx.forward = None;
            let age = kept.age(Instant::now());
            answer(&kept.whole, Some(age), head, downstream, ctx).await
        }
        Found::New(kept, upstream) => {
            note_upstream(ctx, upstream);
            let age = kept.age(Instant::now());
            answer(&kept.whole, (age > 0).then_some(age), head, downstream, ctx).await
        }
        Found::Own(whole, upstream) => {
            note_upstream(ctx, upstream);
            answer(&whole, None, head, downstream, ctx).await
        }
        Found::Nothing => carry(engine, head, downstream, ctx).await,
    }
}

/// For the record: who was asked.
fn note_upstream(ctx: &mut RequestContext, upstream: Arc<Upstream>) {
    if let Some(forward) = &mut ctx.forward {
        forward.upstream = upstream;
    }
}

async fn find(engine: &Engine, asked: &Asked, question: Question) -> Result<Found, Problem> {
    let door = &engine.door;
    let slot = door.edge_cache.slot(&asked.key);
    let came = asked.came;
    let state = slot.state();
    if state.passes_until.is_some_and(|until| came < until) {
        return Ok(Found::Nothing);
    }
    let is_alive = |kept: &Arc<Kept>| kept.is_alive(came, SystemTime::now());
    let kept = state.kept.filter(is_alive);
    if let Some(kept) = &kept {
        if !kept.suits(&question.head.fields) {
            return Ok(Found::Nothing);
        }
        match kept.standing(came) {
            Standing::Fresh if !asked.wants_new => {
                return Ok(Found::Kept(kept.clone(), From::Hit));
            }
            Standing::Revalidate if !asked.wants_new => {
                slot::refresh(&slot, &engine.pool, &door.telemetry, question);
                return Ok(Found::Kept(kept.clone(), From::Revalidated));
            }
            _ if slot.is_down(came) => return Ok(Found::Kept(kept.clone(), From::Stale)),
            Standing::Fresh | Standing::Revalidate | Standing::Stale => {}
        }
    }
    let mut flight = slot.flight.lock().await;
    if let Some(landed) = flight.since(came) {
        return of_another(landed, kept, &question.head.fields);
    }
    let patience = if kept.is_some() {
        PATIENCE
    } else {
        question.silence
    };
    let within = patience.min(question.silence);
    let brought = question.ask(&engine.pool, within, &door.telemetry).await;
    slot.land(&mut flight, &brought);
    drop(flight);
    match (brought, kept) {
        (Brought::Kept(kept, upstream), _) => Ok(Found::New(kept, upstream)),
        (Brought::Own(whole, upstream), _) => Ok(Found::Own(whole, upstream)),
        (Brought::Failure(_), Some(kept)) => Ok(Found::Kept(kept, From::Stale)),
        // It has waited for as long as it may.
        (Brought::Failure(Problem::Silent), None) => Err(Problem::Silent),
        (Brought::Failure(_) | Brought::TooLarge, _) => Ok(Found::Nothing),
    }
}

/// What the request of somebody else brought that was under way meanwhile.
fn of_another(
    landed: &Landed,
    kept: Option<Arc<Kept>>,
    request: &Fields,
) -> Result<Found, Problem> {
    match (landed, kept) {
        (Landed::Kept(new), _) if new.suits(request) => Ok(Found::Kept(new.clone(), From::Shared)),
        (Landed::Failure { .. }, Some(kept)) => Ok(Found::Kept(kept, From::Stale)),
        (Landed::Failure { was_silent: true }, None) => Err(Problem::Silent),
        (Landed::Kept(_) | Landed::Other | Landed::Failure { .. }, _) => Ok(Found::Nothing),
    }
}

async fn answer(
    whole: &Whole,
    age: Option<u64>,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let mut down = response::for_downstream(&whole.head, &head.method, ctx);
    if let Some(age) = age {
        down.fields.push("Age", age.to_string());
    }
    let has_body = !whole.body.is_empty();
    downstream.answer(down.status, &down.fields, has_body)?;
    ctx.status = Some(down.status);
    ctx.bytes_out += downstream.send(whole.body.clone()).await?;
    Ok(downstream.end().await?)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_asks_at_once_gets_one_slot() {
        const THREADS: usize = 4;
        for _ in 0..500 {
            let cache = EdgeCache::new();
            let at_once = Barrier::new(THREADS);
            let ask = || {
                at_once.wait();
                cache.slot(b"key")
            };
            let slots = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
                let joined = threads.into_iter().map(|thread| thread.join().unwrap());
                joined.collect::<Vec<_>>()
            });
            assert!(slots.iter().all(|slot| Arc::ptr_eq(slot, &slots[0])));
        }
    }
}
