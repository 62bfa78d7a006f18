//! Scripts of what the stub homeserver does once it has read a request.

use bytes::Bytes;
use tokio::sync::watch;

/// Something that a test opens once, and others wait for.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn opened(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

/// One thing to do on the connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Write these bytes, verbatim, this many times.
    Write(Bytes, usize),
    /// Wait until the test opens the gate, or until the peer leaves.
    Wait(Gate),
    /// Send back whatever comes until the peer ends.
    Echo,
    /// Do nothing until the peer leaves.
    Silence,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) steps: Vec<Step>,
    /// Begin without reading the body.
    pub(crate) before_body: bool,
    /// Close the connection afterwards.
    pub(crate) closes: bool,
}

impl Answer {
    fn new(steps: Vec<Step>) -> Self {
        Self {
            steps,
            before_body: false,
            closes: false,
        }
    }

    /// A JSON answer with `Content-Length`.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::with(
            status,
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        )
    }

    /// Any well-formed answer with `Content-Length`.
    pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let length = body.len();
        let mut answer = Self::raw(head(
            status,
            headers,
            &format!("Content-Length: {length}\r\n"),
        ));
        answer
            .steps
            .push(Step::Write(Bytes::copy_from_slice(body), 1));
        answer
    }

    /// A chunked answer, one chunk a write.
    pub(crate) fn chunked(chunks: &[&str]) -> Self {
        let begin = Self::raw(head(200, &[], "Transfer-Encoding: chunked\r\n"));
        let chunk =
            |answer: Self, data: &&str| answer.then(format!("{:x}\r\n{data}\r\n", data.len()));
        chunks.iter().fold(begin, chunk).then("0\r\n\r\n")
    }

    /// These bytes and nothing else.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self::new(vec![Step::Write(Bytes::copy_from_slice(bytes.as_ref()), 1)])
    }

    /// No byte, ever: waits until the peer leaves.
    pub(crate) fn silence() -> Self {
        Self::new(vec![Step::Silence])
    }

    /// Closes without a byte.
    pub(crate) fn hang_up() -> Self {
        Self::new(Vec::new()).closing()
    }

    /// A right `101` to a WebSocket and an echo behind it.
    pub(crate) fn websocket_echo() -> Self {
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let mut answer = Self::raw(head).closing();
        answer.steps.push(Step::Echo);
        answer
    }

    /// More bytes, verbatim.
    pub(crate) fn then(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps
            .push(Step::Write(Bytes::copy_from_slice(bytes.as_ref()), 1));
        self
    }

    /// The same bytes many times: a large body without a large test.
    pub(crate) fn then_times(mut self, count: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.steps
            .push(Step::Write(Bytes::copy_from_slice(bytes.as_ref()), count));
        self
    }

    /// Waits for the gate before what was scripted so far.
    pub(crate) fn after(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Wait(gate.clone()));
        self
    }

    /// Waits for the gate before what is scripted from here on.
    pub(crate) fn then_wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Keeps silent from here on until the peer leaves.
    pub(crate) fn then_silence(mut self) -> Self {
        self.steps.push(Step::Silence);
        self
    }

    /// Closes the connection when all is written.
    pub(crate) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Answers before the body was read.
    pub(crate) fn before_body(mut self) -> Self {
        self.before_body = true;
        self.closes = true;
        self
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::json(200, "{}")
    }
}

fn head(status: u16, headers: &[(&str, &str)], framing: &str) -> String {
    let fields: String = headers
        .iter()
        .map(|(n, v)| format!("{n}: {v}\r\n"))
        .collect();
    format!("HTTP/1.1 {status} Reason\r\n{fields}{framing}\r\n")
}
