use super::*;

/// Decodes at once and byte by byte, which must agree.
fn decode(body: &[u8]) -> Result<Progress, Violation> {
    let whole = Decoder::default().decode(body, &mut BytesMut::new());
    let mut decoder = Decoder::default();
    let mut data = BytesMut::new();
    let mut trickled = Ok(Progress::More);
    for (position, byte) in body.iter().enumerate() {
        match decoder.decode(&[*byte], &mut data) {
            Ok(Progress::More) => {}
            Ok(Progress::End(length)) => {
                trickled = Ok(Progress::End(position + length));
                break;
            }
            Err(violation) => {
                trickled = Err(violation);
                break;
            }
        }
    }
    assert_eq!(whole, trickled, "{}", body.escape_ascii());
    whole
}

#[test]
fn takes_good_bodies_and_finds_their_end() {
    for (body, end) in [
        ("0\r\n\r\n", 5),
        ("0\r\n\r\nGET / HTTP/1.1\r\n", 5),
        ("3\r\nabc\r\n0\r\n\r\n", 13),
        ("3\r\n\r\n0\r\n0\r\n\r\nX", 13),
        ("a\r\n0123456789\r\n0\r\n\r\n", 20),
        ("A\r\n0123456789\r\n0\r\n\r\n", 20),
        ("0000000000000003\r\nabc\r\n0\r\n\r\n", 28),
        ("3\r\nabc\r\n0000000000000000\r\n\r\n", 28),
        ("3;a\r\nabc\r\n0\r\n\r\n", 15),
        ("3;a=b;c=\"d;e\"\r\nabc\r\n0;x\r\n\r\n", 27),
        ("3 ;a\r\nabc\r\n0\r\n\r\n", 16),
        ("0\r\nA: b\r\nC:\r\n\r\n", 15),
        ("0\r\nA: \u{e9}\r\n\r\n", 12),
    ] {
        assert_eq!(decode(body.as_bytes()), Ok(Progress::End(end)), "{body:?}");
    }
    for body in [
        "",
        "3",
        "3\r\nab",
        "3\r\nabc\r\n",
        "0\r\n",
        "0\r\nA: b\r\n",
        "ff\r\n",
    ] {
        assert_eq!(decode(body.as_bytes()), Ok(Progress::More), "{body:?}");
    }
}

#[test]
fn refuses_what_two_readers_may_read_differently() {
    use Violation::{Extension, LineEnd, Size, SizeLine, Trailer};
    for (expected, body) in [
        (Size, "\r\n"),
        (Size, "\r\n0\r\n\r\n"),
        (Size, ";a\r\n"),
        (Size, " 3\r\n"),
        (Size, "\t3\r\n"),
        (Size, "+3\r\n"),
        (Size, "-3\r\n"),
        (Size, "0x3\r\n"),
        (Size, "3g\r\n"),
        (Size, "3_0\r\n"),
        (Size, "3.0\r\n"),
        (Size, "3,\r\n"),
        (Size, "\"3\"\r\n"),
        (Size, "3 \r\n"),
        (Size, "3 3\r\n"),
        (Size, "3\t\r\n"),
        (Size, "3\n"),
        (Size, "3\0\r\n"),
        (Size, "00000000000000003\r\n"),
        (Size, "8000000000000000\r\n"),
        (Size, "ffffffffffffffff\r\n"),
        (Size, "fffffffffffffffff\r\n"),
        (Size, "\u{661}\r\n"),
        (LineEnd, "3\r\r\n"),
        (LineEnd, "3\rabc"),
        (Extension, "3;a\nabc\r\n"),
        (Extension, "3;\n"),
        (Extension, "3;a\0\r\n"),
        (Extension, "3;a\u{7f}\r\n"),
        (Extension, "3;a\u{1b}\r\n"),
        (LineEnd, "3;a\rb\r\n"),
        (LineEnd, "3\r\nabcd\r\n"),
        (LineEnd, "3\r\nabc\n0\r\n\r\n"),
        (LineEnd, "3\r\nabc0\r\n\r\n"),
        (LineEnd, "3\r\nabc\r0\r\n"),
        (LineEnd, "3\r\nabc\r\r\n"),
        (Size, "3\r\nabc\r\n\r\n"),
        (Trailer, "0\r\n\n"),
        (LineEnd, "0\r\n\rX"),
        (Trailer, "0\r\nA\r\n\r\n"),
        (Trailer, "0\r\n: b\r\n\r\n"),
        (Trailer, "0\r\n A: b\r\n\r\n"),
        (Trailer, "0\r\nA : b\r\n\r\n"),
        (Trailer, "0\r\nA: b\nC: d\r\n\r\n"),
        (Trailer, "0\r\nA: \0\r\n\r\n"),
        (LineEnd, "0\r\nA: b\rC: d\r\n\r\n"),
        (Trailer, "0\r\nA: b\r\n c\r\n\r\n"),
        (Trailer, "0\r\nGET / HTTP/1.1\r\n\r\n"),
    ] {
        assert_eq!(decode(body.as_bytes()), Err(expected), "{body:?}");
    }
    let line = format!("3;{}\r\n", "a".repeat(1024));
    assert_eq!(decode(line.as_bytes()), Err(SizeLine));
}

#[test]
fn bounds_extensions_and_trailers_over_the_whole_body() {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(1000));
    assert_eq!(decode(chunk.repeat(16).as_bytes()), Ok(Progress::More));
    assert_eq!(
        decode(chunk.repeat(17).as_bytes()),
        Err(Violation::Extensions)
    );
    let trailer = format!("A: {}\r\n", "x".repeat(1000));
    assert_eq!(
        decode(format!("0\r\n{}", trailer.repeat(9)).as_bytes()),
        Err(Violation::Trailers)
    );
}

#[test]
fn gives_the_data_and_nothing_else() {
    let body = b"3;x=1\r\nabc\r\na\r\n0123456789\r\n0\r\nT: v\r\n\r\nnext";
    for size in [1, 2, 7, body.len()] {
        let (mut decoder, mut data) = (Decoder::default(), BytesMut::new());
        for piece in body.chunks(size) {
            if let Progress::End(_) = decoder.decode(piece, &mut data).unwrap() {
                break;
            }
        }
        assert_eq!(data, "abc0123456789");
    }
}
