//! The body goes up, the answer comes down.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};

use super::carry::Replay;
use super::context::RequestContext;
use super::failure::Problem;
use super::{proof, response, traffic};
use crate::listen::{Downstream, Fault, Idle};
use crate::upstream::{Broken, Connection, Progress};

/// Interim answers that one request may have; no server has a use for more.
pub(super) const MOST_INTERIM: u8 = 16;

/// Sends the client's body behind the head on `upstream`, and passes the answer on up to its end,
/// which is for the caller to tell.
pub(super) async fn exchange(
    upstream: &mut Connection,
    method: &Method,
    downstream: &mut Downstream,
    sent: &mut Replay,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let mut exchange = Exchange {
        is_sending: !downstream.is_body_over(),
        silence: Silence::new(ctx),
        method,
        upstream,
        downstream,
    };
    loop {
        match std::future::poll_fn(|cx| exchange.poll_event(cx)).await? {
            Event::Data(data) => exchange.pass_up(data, sent, ctx)?,
            Event::Sent => {}
            Event::Received => {
                if exchange.pass_down(ctx).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// What the two sides of a request are doing.
struct Exchange<'a> {
    upstream: &'a mut Connection,
    downstream: &'a mut Downstream,
    /// Whether the client's body is still coming.
    is_sending: bool,
    method: &'a Method,
    silence: Silence,
}

/// Something that has happened.
enum Event {
    /// The client sent a piece of its body, or with `None` the end of it.
    Data(Option<Bytes>),
    /// All that was on its way up has been sent.
    Sent,
    /// Bytes of the answer have come.
    Received,
}

impl Exchange<'_> {
    /// Waits for the next event. The client is asked first while its body comes, so that head and
    /// body leave together; then the upstream is, so that the head and the body of its answer do.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Problem>> {
        let event = if self.is_sending {
            match self.poll_downstream(cx) {
                Poll::Pending => self.poll_upstream(cx),
                event @ Poll::Ready(_) => event,
            }
        } else {
            match self.poll_upstream(cx) {
                Poll::Pending => self.poll_downstream(cx),
                event @ Poll::Ready(_) => event,
            }
        };
        if event.is_ready() {
            self.silence.begin();
            return event;
        }
        let is_silent = if !self.upstream.is_sent() {
            self.silence.poll(Limit::Write, cx)
        } else if self.is_sending {
            // It is the client that we wait for, and `listen` has an eye on it.
            self.silence.begin();
            return Poll::Pending;
        } else {
            self.silence.poll(Limit::Answer, cx)
        };
        is_silent.map(|()| Err(Problem::Silent))
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Problem>> {
        self.upstream
            .poll_progress(cx)
            .map(|progress| match progress {
                Ok(Progress::Sent) => Ok(Event::Sent),
                Ok(Progress::Received) => Ok(Event::Received),
                Err(broken) => Err(broken.into()),
            })
    }

    fn poll_downstream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Problem>> {
        if !self.is_sending {
            let gone = self.downstream.poll_gone(cx);
            return gone.map(|()| Err(Fault::Gone.into()));
        }
        if !self.upstream.has_room() {
            return Poll::Pending;
        }
        self.downstream
            .poll_data(cx)
            .map(|data| data.map(Event::Data).map_err(Problem::from))
    }

    /// Takes a piece of the client's body on its way.
    fn pass_up(
        &mut self,
        data: Option<Bytes>,
        sent: &mut Replay,
        ctx: &mut RequestContext,
    ) -> Result<(), Problem> {
        let mut data = data.unwrap_or_default();
        ctx.look_at_body(&data)?;
        if let Some(proving) = &mut ctx.proving {
            data = proving.pass(data);
        }
        let is_over = self.downstream.is_body_over();
        if is_over {
            let held = proof::end(ctx)?;
            data = joined(data, held);
        }
        sent.keep(&data);
        self.upstream.queue(data);
        if is_over {
            self.is_sending = false;
            traffic::body_is_up(ctx);
            self.upstream.queue_end();
        }
        Ok(())
    }

    /// Passes on what has come of the answer. True when that was the end of it.
    async fn pass_down(&mut self, ctx: &mut RequestContext) -> Result<bool, Problem> {
        let is_head = *self.method == Method::HEAD;
        while ctx.status.is_none() {
            let Some(answer) = self.upstream.answer(is_head)? else {
                return Ok(false);
            };
            if let Some(forward) = &mut ctx.forward
                && forward.first_byte.is_none()
            {
                forward.first_byte = forward.connected.map(|at| at.elapsed());
            }
            if answer.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Broken::Invalid("a 101 that nobody asked for").into());
            }
            let is_interim = answer.status.is_informational();
            let down = response::for_downstream(&answer, self.method, ctx);
            if is_interim {
                count_interim(ctx)?;
                self.downstream.interim(&down).await?;
                continue;
            }
            let has_body = !self.upstream.is_body_over();
            self.downstream
                .answer(down.status, &down.fields, has_body)?;
            ctx.status = Some(down.status);
            traffic::answered(ctx);
        }
        while let Some(data) = self.upstream.data()? {
            ctx.bytes_out += self.downstream.send(data).await?;
        }
        Ok(self.upstream.is_body_over())
    }
}

/// Two pieces as one: there is room for one.
fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        second
    } else if second.is_empty() {
        first
    } else {
        [first, second].concat().into()
    }
}

fn count_interim(ctx: &mut RequestContext) -> Result<(), Problem> {
    let Some(forward) = &mut ctx.forward else {
        return Ok(());
    };
    forward.interim = forward.interim.saturating_add(1);
    if forward.interim > MOST_INTERIM {
        return Err(Broken::Invalid("too many interim answers").into());
    }
    Ok(())
}

/// How long nothing has happened.
struct Silence {
    answer: Duration,
    write: Duration,
    since: Option<Instant>,
    timer: Idle,
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Limit {
    /// The upstream is to answer.
    Answer,
    /// The upstream is to take what it is sent.
    Write,
}

impl Silence {
    fn new(ctx: &RequestContext) -> Self {
        let write = ctx.snapshot.deadlines.write;
        Self {
            answer: ctx.forward.as_ref().map_or(write, |f| f.silence),
            write,
            since: None,
            timer: Idle::default(),
        }
    }

    /// Something happened.
    fn begin(&mut self) {
        self.since = None;
    }

    /// Ready when it has lasted for too long.
    fn poll(&mut self, limit: Limit, cx: &mut Context<'_>) -> Poll<()> {
        let limit = match limit {
            Limit::Answer => self.answer,
            Limit::Write => self.write,
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll(cx, Some(since), limit)
    }
}
