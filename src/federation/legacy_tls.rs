//! Asks for TLS 1.1 by hand, which our library cannot speak: only the first answer matters.

/// A record that holds a handshake message.
const HANDSHAKE: u8 = 22;
/// A handshake message that accepts.
const SERVER_HELLO: u8 = 2;

/// A `ClientHello` of TLS 1.1 (RFC 4346, 7.4.1.2) with the cipher suites of its time.
pub(super) fn client_hello(name: Option<&str>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let name = prefixed_16(name.as_bytes().to_vec());
        let entry = [vec![0], name].concat();
        extensions.extend(extension(0, prefixed_16(entry)));
    }
    // secp256r1 and secp384r1, uncompressed.
    extensions.extend(extension(10, prefixed_16(vec![0, 23, 0, 24])));
    extensions.extend(extension(11, vec![1, 0]));
    let suites = [
        0xc009_u16, 0xc00a, 0xc013, 0xc014, 0x002f, 0x0035, 0x000a, 0x00ff,
    ];
    let suites = suites
        .iter()
        .flat_map(|suite| suite.to_be_bytes())
        .collect();
    // The random bytes protect a handshake that never goes on.
    let random = [0x56; 32];
    let body = [
        vec![3, 2],
        random.to_vec(),
        vec![0],
        prefixed_16(suites),
        vec![1, 0],
        prefixed_16(extensions),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let message = [vec![1], length.into_iter().skip(1).collect(), body].concat();
    [vec![HANDSHAKE, 3, 1], prefixed_16(message)].concat()
}

/// Whether these first bytes accept TLS 1.0 or 1.1.
pub(super) fn is_accepted(answer: &[u8]) -> bool {
    matches!(
        answer,
        [HANDSHAKE, 3, _, _, _, SERVER_HELLO, _, _, _, 3, 1 | 2, ..]
    )
}

fn extension(number: u16, body: Vec<u8>) -> Vec<u8> {
    [number.to_be_bytes().to_vec(), prefixed_16(body)].concat()
}

fn prefixed_16(bytes: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    [length.to_be_bytes().to_vec(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        let hello = client_hello(Some("example.org"));
        let record = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        assert_eq!(record + 5, hello.len());
        assert_eq!(
            usize::from(hello[8]) + usize::from(hello[7]) * 256 + 9,
            hello.len()
        );
    }

    #[test]
    fn only_an_old_server_hello_accepts() {
        assert!(is_accepted(&[22, 3, 2, 0, 80, 2, 0, 0, 76, 3, 2, 1]));
        assert!(!is_accepted(&[22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3, 1]));
        assert!(!is_accepted(&[21, 3, 1, 0, 2, 2, 70]));
        assert!(!is_accepted(b"HTTP/1.1 400"));
    }
}
