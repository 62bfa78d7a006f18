use proptest::prelude::*;

use super::*;

/// A header of version 2 around `body`.
fn version2(version_command: u8, family_protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut header = v2::PROTOCOL_PREFIX.to_vec();
    header.extend([version_command, family_protocol]);
    header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    header.extend(body);
    header
}

fn ipv4_body() -> Vec<u8> {
    vec![192, 0, 2, 7, 198, 51, 100, 1, 0xd4, 0x31, 0x01, 0xbb]
}

fn ipv6_body(source: &str) -> Vec<u8> {
    let mut body = source
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets()
        .to_vec();
    body.extend([0; 16]);
    body.extend([0xd4, 0x31, 0x01, 0xbb]);
    body
}

/// Headers and the client that each names.
fn valid() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let mut with_attributes = ipv4_body();
    with_attributes.extend([0x02, 0, 3, b'a', b'.', b'b']);
    let mut longest = ipv4_body();
    longest.resize(V2_LENGTH_MAX - V2_FIXED_LENGTH, 0x04);
    let v4 = Some("192.0.2.7:54321");
    let v6 = Some("[2001:db8::7]:54321");
    vec![
        (
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443\r\n".to_vec(),
            v4,
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 54321 443\r\n".to_vec(),
            v6,
        ),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
              ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                .to_vec(),
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (
            b"PROXY TCP6 ::ffff:192.0.2.7 ::1 54321 443\r\n".to_vec(),
            v4,
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN a b c d e f g h i\r\n".to_vec(), None),
        ([b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat(), None),
        (version2(0x21, 0x11, &ipv4_body()), v4),
        (version2(0x21, 0x21, &ipv6_body("2001:db8::7")), v6),
        (version2(0x21, 0x21, &ipv6_body("::ffff:192.0.2.7")), v4),
        (version2(0x21, 0x11, &with_attributes), v4),
        (version2(0x21, 0x11, &longest), v4),
        (version2(0x21, 0x12, &ipv4_body()), None),
        (version2(0x21, 0x31, &[0; 216]), None),
        (version2(0x21, 0x00, &[]), None),
        (version2(0x20, 0x00, &[]), None),
        (version2(0x20, 0x11, &ipv4_body()), None),
        (version2(0x20, 0xff, &[1, 2, 3]), None),
    ]
}

#[test]
fn header_gives_length_and_client() {
    for (header, source) in valid() {
        let expected = Parsed::Header {
            length: header.len(),
            source: source.map(|s| s.parse().unwrap()),
        };
        assert_eq!(parse(&header), expected, "{header:?}");
        let followed = [header.as_slice(), b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&followed), expected, "{header:?}");
    }
}

#[test]
fn truncated_header_is_incomplete_at_every_byte() {
    for (header, _) in valid() {
        for end in 0..header.len() {
            let cut = &header[..end];
            assert_eq!(parse(cut), Parsed::Incomplete, "{cut:?}");
        }
    }
}

#[test]
fn refuses_what_is_no_header() {
    let too_long = [b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat();
    for input in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"proxy TCP4",
        b"PROXYTCP4",
        b"\x16\x03\x01",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 \r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\rX",
        b"PROXY UNKNOWN \xff\r\r\n",
        &too_long,
        &too_long[..V1_LENGTH_MAX],
        &version2(0x11, 0x11, &ipv4_body()),
        &version2(0x22, 0x11, &ipv4_body()),
        &version2(0x21, 0x41, &ipv4_body()),
        &version2(0x21, 0x13, &ipv4_body()),
        &version2(0x21, 0x11, &ipv4_body()[..11]),
        &version2(0x21, 0x21, &ipv4_body()),
        &version2(0x21, 0x11, &[0; V2_LENGTH_MAX - V2_FIXED_LENGTH + 1]),
    ] {
        assert!(
            matches!(parse(input), Parsed::Invalid(_)),
            "{input:?} {:?}",
            parse(input)
        );
    }
}

/// Bytes that are close to a header: random, or a valid one with some changed.
fn near_headers() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let damaged = (prop::sample::select(valid()), changes).prop_map(|((mut bytes, _), c)| {
        for (at, byte) in c {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..2100), damaged]
}

proptest! {
    #[test]
    fn verdict_is_bounded_and_stays(input in near_headers(), more in any::<[u8; 8]>()) {
        let verdict = parse(&input);
        let longer = parse(&[input.as_slice(), &more].concat());
        match verdict {
            Parsed::Incomplete => prop_assert!(input.len() < V2_LENGTH_MAX),
            Parsed::Header { length, .. } => {
                prop_assert!(length <= input.len());
                prop_assert_eq!(longer, verdict);
            }
            Parsed::Invalid(_) => prop_assert_eq!(longer, verdict),
        }
    }
}
