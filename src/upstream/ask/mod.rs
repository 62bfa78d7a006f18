//! Questions of our own to an upstream: one request, and its whole answer.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use pingora_timeout::timeout;

use super::{Broken, Connection, Deadlines, NoConnection, Pool, Upstream};
use crate::message::{RequestHead, ResponseHead};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// There is no connection.
    #[error(transparent)]
    NoConnection(#[from] NoConnection),
    /// The connection ended, or brought no valid answer.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The body is larger than was asked for.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer did not come whole in time.
    #[error("no answer in time")]
    Timeout,
}

/// A request of our own, which may be sent twice without harm.
#[derive(Clone, Debug)]
pub struct Inquiry<'a> {
    /// Its head. It says how long the body is, where there is one.
    pub head: &'a RequestHead,
    /// Its body, or nothing.
    pub body: Bytes,
    /// Bytes that the body of the answer may have.
    pub most: usize,
    /// How long all of it may take, connecting included.
    pub within: Duration,
}

impl Pool {
    /// Sends a request, and collects the whole answer.
    ///
    /// Where a connection that waited turns out to be closed, it goes out once more on a new one.
    pub async fn ask(
        &self,
        upstream: &Upstream,
        deadlines: &Deadlines,
        inquiry: &Inquiry<'_>,
    ) -> Result<(ResponseHead, Bytes), NoAnswer> {
        match timeout(inquiry.within, self.insist(upstream, deadlines, inquiry)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::Timeout),
        }
    }

    async fn insist(
        &self,
        upstream: &Upstream,
        deadlines: &Deadlines,
        inquiry: &Inquiry<'_>,
    ) -> Result<(ResponseHead, Bytes), NoAnswer> {
        let mut waiting = self.take(upstream);
        loop {
            let mut connection = match waiting.take() {
                Some(connection) => connection,
                None => self.connect(upstream, deadlines).await?,
            };
            match converse(&mut connection, inquiry).await {
                Ok(answer) => {
                    self.give(upstream, connection, deadlines);
                    return Ok(answer);
                }
                // It had been closed while it waited. The next one is new.
                Err(NoAnswer::Broken(Broken::Closed(_)))
                    if connection.is_reused() && !connection.has_answered() => {}
                Err(reason) => return Err(reason),
            }
        }
    }
}

/// Sends the request, and reads the answer to its end.
async fn converse(
    connection: &mut Connection,
    inquiry: &Inquiry<'_>,
) -> Result<(ResponseHead, Bytes), NoAnswer> {
    connection.begin(inquiry.head, false);
    connection.queue(inquiry.body.clone());
    connection.queue_end();
    let is_head = inquiry.head.method == Method::HEAD;
    let head = final_head(connection, is_head).await?;
    let mut body = BytesMut::new();
    loop {
        while let Some(data) = connection.data()? {
            if body.len() + data.len() > inquiry.most {
                return Err(NoAnswer::TooLarge);
            }
            body.extend_from_slice(&data);
        }
        // An answer may come before the request is out; the connection is of use only after it.
        if connection.is_body_over() && connection.is_sent() {
            return Ok((head, body.freeze()));
        }
        poll_fn(|cx| connection.poll_progress(cx)).await?;
    }
}

/// The head of the answer; those of interim answers (1xx) are skipped.
async fn final_head(connection: &mut Connection, is_head: bool) -> Result<ResponseHead, NoAnswer> {
    loop {
        match connection.answer(is_head)? {
            Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(Broken::Invalid("a 101 that nobody asked for").into());
            }
            Some(head) if head.status.is_informational() => {}
            Some(head) => return Ok(head),
            None => drop(poll_fn(|cx| connection.poll_progress(cx)).await?),
        }
    }
}

#[cfg(test)]
mod tests;
