use super::parse::PREFACE;
use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn limits() -> Limits {
    Limits::default()
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    [&head, payload].concat()
}

fn greeting() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, &[0; 6])].concat()
}

fn greeted(start: Instant) -> Watch {
    let mut watch = Watch::new(&limits(), start);
    watch.observe(&greeting(), 0).unwrap();
    watch
}

/// What remains of a connection that is in `streams`, `seconds` after `start`.
fn check(
    watch: &mut Watch,
    start: Instant,
    seconds: u64,
    streams: Streams,
) -> Result<Option<Duration>, Violation> {
    watch.check(start + Duration::from_secs(seconds), streams)
}

const OPEN: Streams = Streams {
    open: true,
    pending: false,
    taken: 0,
};
const PENDING: Streams = Streams {
    open: true,
    pending: true,
    taken: 0,
};

#[test]
fn wants_the_preface_and_settings_in_time() {
    let start = Instant::now();
    let whole = greeting();
    for cut in 0..whole.len() {
        let mut watch = Watch::new(&limits(), start);
        for byte in &whole[..cut] {
            watch.observe(&[*byte], 0).unwrap();
        }
        let left = check(&mut watch, start, 9, OPEN);
        assert_eq!(left, Ok(Some(Duration::from_secs(1))), "{cut}");
        let late = check(&mut watch, start, 10, OPEN);
        assert_eq!(late, Err(Violation::Preface), "{cut}");
    }
    let mut watch = greeted(start);
    assert_eq!(check(&mut watch, start, 60, Streams::default()), Ok(None));
}

#[test]
fn refuses_what_is_not_http2() {
    let now = Instant::now();
    for bytes in [
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSX".to_vec(),
        [PREFACE, &frame(PING, 0, &[0; 8])].concat(),
        [PREFACE, &frame(SETTINGS, 1, &[])].concat(),
    ] {
        let observed = Watch::new(&limits(), now).observe(&bytes, 0);
        assert_eq!(observed, Err(Violation::NotHttp2));
    }
}

#[test]
fn ends_a_header_block_left_open() {
    let start = Instant::now();
    let open_frames = [
        frame(HEADERS, 0, b"abc"),
        frame(HEADERS, END_HEADERS, b"abc")[..10].to_vec(),
        [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b"d")].concat(),
    ];
    for bytes in open_frames {
        let mut watch = greeted(start);
        watch.observe(&bytes, 0).unwrap();
        assert!(check(&mut watch, start, 1, OPEN).is_ok());
        assert!(check(&mut watch, start, 15, OPEN).is_ok());
        let late = check(&mut watch, start, 16, OPEN);
        assert_eq!(late, Err(Violation::HeaderBlock));
    }
    let closed_frames = [
        frame(HEADERS, END_HEADERS, b"abc"),
        [
            frame(HEADERS, 0, b"a"),
            frame(CONTINUATION, END_HEADERS, b""),
        ]
        .concat(),
    ];
    for bytes in closed_frames {
        let mut watch = greeted(start);
        for byte in bytes {
            watch.observe(&[byte], 0).unwrap();
            assert!(check(&mut watch, start, 1, OPEN).is_ok());
        }
        assert_eq!(check(&mut watch, start, 99, OPEN), Ok(Some(TICK)));
    }
}

#[test]
fn ends_a_request_body_that_never_comes() {
    let start = Instant::now();
    let mut watch = greeted(start);
    assert!(check(&mut watch, start, 100, OPEN).is_ok());
    assert!(check(&mut watch, start, 100, PENDING).is_ok());
    assert!(check(&mut watch, start, 129, PENDING).is_ok());
    assert_eq!(check(&mut watch, start, 130, PENDING), Err(Violation::Body));
}

#[test]
fn padding_does_not_count_as_body() {
    let start = Instant::now();
    let mut watch = greeted(start);
    assert!(check(&mut watch, start, 0, PENDING).is_ok());
    // 255 bytes of padding, and one of data.
    let padded = [&[255, 1], [0; 255].as_slice()].concat();
    for second in 1..30 {
        for byte in frame(DATA, PADDED, &padded).repeat(10) {
            watch.observe(&[byte], 0).unwrap();
        }
        assert!(check(&mut watch, start, second, PENDING).is_ok());
    }
    assert_eq!(check(&mut watch, start, 31, PENDING), Err(Violation::Body));
}

#[test]
fn spares_a_client_that_waits_for_the_upstream() {
    let start = Instant::now();
    let mut watch = greeted(start);
    assert!(check(&mut watch, start, 0, PENDING).is_ok());
    watch.observe(&frame(DATA, 0, &[0; 16384]), 0).unwrap();
    assert!(check(&mut watch, start, 500, PENDING).is_ok());
    // The proxy takes it all, and now it is the client's turn.
    let taken = Streams {
        taken: 16384,
        ..PENDING
    };
    assert!(check(&mut watch, start, 501, taken).is_ok());
    assert_eq!(check(&mut watch, start, 532, taken), Err(Violation::Body));
}

#[test]
fn ends_a_flood_that_brings_nothing() {
    let now = Instant::now();
    for (kind, payload) in [
        (PING, [0; 8].as_slice()),
        (SETTINGS, &[]),
        (RST_STREAM, &[0; 4]),
        (DATA, &[]),
        (CONTINUATION, &[]),
        (0x7F, &[0; 3]),
    ] {
        let mut watch = greeted(now);
        let bytes = frame(kind, 0, payload).repeat(5000);
        assert_eq!(watch.observe(&bytes, 0), Ok(()), "{kind}");
        assert_eq!(watch.observe(&bytes, 0), Ok(()), "{kind}");
        assert_eq!(watch.observe(&bytes, 0), Err(Violation::Flood), "{kind}");
    }
}

#[test]
fn many_updates_are_no_flood_while_bodies_move() {
    let now = Instant::now();
    let mut watch = greeted(now);
    let update = frame(8, 0, &[0, 0, 64, 0]);
    for step in 1..=100_000_u64 {
        watch.observe(&update, step * 16384).unwrap();
    }
}
