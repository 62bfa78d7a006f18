//! An access record on its way to the writer: owned, with one allocation.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::telemetry::record::{AccessRecord, Name, Outcome, method_label};
use crate::telemetry::redact::redact;

/// Longest user agent kept, in characters.
const USER_AGENT_LENGTH: usize = 200;

/// One line of the access log before it is written.
pub(super) struct Entry {
    time: SystemTime,
    client: Option<IpAddr>,
    listener: Arc<str>,
    protocol: Option<&'static str>,
    tls_version: Option<&'static str>,
    site: Option<Arc<str>>,
    method: Option<&'static str>,
    endpoint: Option<Name>,
    class: Option<&'static str>,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    duration: Duration,
    upstream: Option<Arc<str>>,
    group: Option<&'static str>,
    placed_by: Option<&'static str>,
    shaped: Option<Duration>,
    queued: Option<Duration>,
    held: Option<Duration>,
    upstream_connect: Option<Duration>,
    upstream_first_byte: Option<Duration>,
    signature: Option<&'static str>,
    would_refuse: Option<&'static str>,
    rule: Option<Arc<str>>,
    user: Option<u64>,
    outcome: Outcome,
    texts: Texts,
}

/// The texts that belong to one request alone, in one piece of memory.
struct Texts {
    joined: Box<str>,
    request_id_end: usize,
    origin_end: usize,
}

/// The value of one field.
pub(super) enum Value<'a> {
    /// Written as text.
    Text(&'a str),
    /// Written as a number.
    Number(u64),
    /// Written as 16 hexadecimal digits.
    Hash(u64),
    /// Written in milliseconds with three decimals.
    Milliseconds(Duration),
    /// Written in its usual form.
    Address(IpAddr),
    /// Written in UTC with milliseconds.
    Time(SystemTime),
}

/// How many fields there are.
pub(super) const FIELDS: usize = 30;

/// How many of the fields stand at the head of a text line, without a name.
pub(super) const HEAD_FIELDS: usize = 6;

impl Entry {
    pub(super) fn new(record: &AccessRecord<'_>) -> Self {
        Self {
            time: record.time,
            client: record.client,
            listener: Arc::clone(record.listener),
            protocol: Some(record.protocol),
            tls_version: record.tls_version,
            site: record.site.cloned(),
            method: record.method.map(method_label),
            endpoint: record.endpoint.clone(),
            class: record.class,
            status: record.status,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            duration: record.duration,
            upstream: record.upstream.cloned(),
            group: record.group,
            placed_by: record.placed_by,
            shaped: record.shaped,
            queued: record.queued,
            held: record.held,
            upstream_connect: record.upstream_connect,
            upstream_first_byte: record.upstream_first_byte,
            signature: record.signature,
            would_refuse: record.would_refuse,
            rule: record.rule.map(|(rule, _)| Arc::clone(rule)),
            user: record.user,
            outcome: record.outcome,
            texts: Texts::new(record),
        }
    }

    /// A request whose head was refused: there is no more to tell than this.
    pub(super) fn refused_head(
        time: SystemTime,
        listener: &str,
        client: Option<IpAddr>,
        status: u16,
        reason: &'static str,
    ) -> Self {
        Self {
            time,
            client,
            listener: listener.into(),
            protocol: None,
            tls_version: None,
            site: None,
            method: None,
            endpoint: None,
            class: None,
            status,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            upstream: None,
            group: None,
            placed_by: None,
            shaped: None,
            queued: None,
            held: None,
            upstream_connect: None,
            upstream_first_byte: None,
            signature: None,
            would_refuse: None,
            rule: None,
            user: None,
            outcome: Outcome::Refused(reason),
            texts: Texts::none(),
        }
    }

    /// Every field with its name, in the order of writing.
    pub(super) fn fields(&self) -> [(&'static str, Option<Value<'_>>); FIELDS] {
        use Value::{Address, Hash, Milliseconds, Number, Text, Time};
        let (refused, failed) = match self.outcome {
            Outcome::Served => (None, None),
            Outcome::Refused(reason) => (Some(reason), None),
            Outcome::Failed(reason) => (None, Some(reason)),
        };
        [
            ("time", Some(Time(self.time))),
            ("client", self.client.map(Address)),
            ("method", self.method.map(Text)),
            ("status", Some(Number(self.status.into()))),
            (
                "endpoint",
                self.endpoint.as_ref().map(|name| Text(name.as_str())),
            ),
            ("duration_ms", Some(Milliseconds(self.duration))),
            ("site", self.site.as_deref().map(Text)),
            ("class", self.class.map(Text)),
            ("refused", refused.map(Text)),
            ("failed", failed.map(Text)),
            ("would_refuse", self.would_refuse.map(Text)),
            ("rule", self.rule.as_deref().map(Text)),
            ("origin", self.texts.origin().map(Text)),
            ("signature", self.signature.map(Text)),
            ("user", self.user.map(Hash)),
            ("upstream", self.upstream.as_deref().map(Text)),
            ("group", self.group.map(Text)),
            ("placed_by", self.placed_by.map(Text)),
            ("shaped_ms", self.shaped.map(Milliseconds)),
            ("queued_ms", self.queued.map(Milliseconds)),
            ("held_ms", self.held.map(Milliseconds)),
            ("connect_ms", self.upstream_connect.map(Milliseconds)),
            ("first_byte_ms", self.upstream_first_byte.map(Milliseconds)),
            ("bytes_in", Some(Number(self.bytes_in))),
            ("bytes_out", Some(Number(self.bytes_out))),
            ("listener", Some(Text(&self.listener))),
            ("protocol", self.protocol.map(Text)),
            ("tls", self.tls_version.map(Text)),
            ("request_id", self.texts.request_id().map(Text)),
            ("user_agent", self.texts.user_agent().map(Text)),
        ]
    }
}

impl Texts {
    fn new(record: &AccessRecord<'_>) -> Self {
        let origin = record.origin.map_or("", |name| name.as_str());
        let user_agent = redact(record.user_agent.unwrap_or_default());
        let user_agent = printable(&user_agent);
        let length = record.request_id.len() + origin.len() + user_agent.len();
        let mut joined = String::with_capacity(length);
        joined.push_str(record.request_id);
        let request_id_end = joined.len();
        joined.push_str(origin);
        let origin_end = joined.len();
        joined.extend(user_agent);
        Self {
            joined: joined.into(),
            request_id_end,
            origin_end,
        }
    }

    fn none() -> Self {
        Self {
            joined: Box::default(),
            request_id_end: 0,
            origin_end: 0,
        }
    }

    fn request_id(&self) -> Option<&str> {
        present(self.joined.get(..self.request_id_end))
    }

    fn origin(&self) -> Option<&str> {
        present(self.joined.get(self.request_id_end..self.origin_end))
    }

    fn user_agent(&self) -> Option<&str> {
        present(self.joined.get(self.origin_end..))
    }
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// The first characters of `text`, with a `?` for what a terminal or a log
/// reader may not get.
fn printable(text: &[u8]) -> impl ExactSizeIterator<Item = char> {
    text.iter().take(USER_AGENT_LENGTH).map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    })
}
