//! How many servers a notary is asked about at once.

use super::Refusal;

/// The most servers whose keys one request may ask for. Each may cost the homeserver a request to
/// somebody who never answers; whoever is refused asks the servers themselves.
const MOST_SERVERS: u32 = 100;

/// How deep in the body the names of servers stand: `{"server_keys": {"a.example": {..}}}`.
const DEPTH: u32 = 2;

/// Counts the servers in the body of `POST /_matrix/key/v2/query` while it passes, in no memory.
///
/// Whatever has their place is counted, however often a name comes. What is no JSON is for the
/// homeserver to refuse.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyQuery {
    depth: u32,
    servers: u32,
    is_text: bool,
    is_escaped: bool,
}

impl KeyQuery {
    /// Looks at the next piece of the body, which must not pass where this fails.
    pub fn look(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        for byte in piece {
            self.take(*byte);
        }
        if self.servers > MOST_SERVERS {
            return Err(Refusal::TooManyServers);
        }
        Ok(())
    }

    fn take(&mut self, byte: u8) {
        if self.is_text {
            let is_end = byte == b'"' && !self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.is_text = !is_end;
            return;
        }
        match byte {
            b'"' => self.is_text = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == DEPTH => self.servers = self.servers.saturating_add(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(servers: u32) -> String {
        let server = |n| {
            format!(
                r#""s{n}.example:8448": {{"ed25519:a\":{{": {{"minimum_valid_until_ts": 1}}, "b": {{}}}}"#
            )
        };
        let all: Vec<String> = (0..servers).map(server).collect();
        format!(
            r#"{{"server_keys": {{{}}}, "x": [{{"y": 1}}]}}"#,
            all.join(",")
        )
    }

    #[test]
    fn servers_are_counted_and_their_keys_are_not() {
        for (servers, expected) in [
            (0, Ok(())),
            (MOST_SERVERS, Ok(())),
            (MOST_SERVERS + 1, Err(Refusal::TooManyServers)),
        ] {
            let body = body(servers);
            assert_eq!(KeyQuery::default().look(body.as_bytes()), expected);
            let mut query = KeyQuery::default();
            let mut pieces = body.as_bytes().chunks(7);
            assert_eq!(pieces.try_for_each(|piece| query.look(piece)), expected);
            assert_eq!(query.servers, servers);
        }
    }

    #[test]
    fn what_is_no_json_passes() {
        for body in ["", "]]]]", "\"", "{{{{{{:::::", "\\\"{{:"] {
            assert_eq!(KeyQuery::default().look(body.as_bytes()), Ok(()), "{body}");
        }
    }
}
