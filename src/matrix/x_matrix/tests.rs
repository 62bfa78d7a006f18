use super::samples::SIGNATURE;
use super::*;

fn read(headers: &[&str]) -> Credentials {
    credentials(headers.iter().map(|h| h.as_bytes()))
}

/// A header of these parameters, with a signature.
fn with(parameters: &str) -> String {
    format!("X-Matrix {parameters},sig={SIGNATURE}")
}

fn origin_of(header: &str) -> Option<String> {
    let read = read(&[header]);
    read.claimed_origin()
        .map(|origin| origin.as_sent().to_owned())
}

#[test]
fn headers_as_servers_write_them_are_clear() {
    for parameters in [
        r#"origin="a.example",key="ed25519:k",destination="d.example""#,
        r#"destination=d.example,key="ed25519:k",origin=a.example"#,
        r"origin=a.example,key=ed25519:k,destination=d.example",
        r#" origin="a.example", key="ed25519:k",  destination="d.example""#,
        r#"origin="a.example",foo=bar,key="ed25519:k",destination="d.example",foo="""#,
    ] {
        let Credentials::Clear(read) = read(&[&with(parameters)]) else {
            panic!("{parameters}");
        };
        assert_eq!(read.origin().as_str(), "a.example");
        assert_eq!(read.key_id(), "ed25519:k");
        assert_eq!(read.destination(), Some("d.example"));
        assert_eq!(&read.signature()[..3], &[0, 1, 2]);
    }
}

#[test]
fn the_origin_stays_as_it_was_sent() {
    let header = with("origin=A.Example:8448,key=ed25519:k");
    let Credentials::Clear(read) = read(&[&header]) else {
        panic!("{header}");
    };
    assert_eq!(read.origin().as_sent(), "A.Example:8448");
    assert_eq!(read.origin().as_str(), "a.example:8448");
    assert_eq!(read.destination(), None);
    assert_eq!(
        origin_of(&with(r#"key="ed25519:k",origin="[::1]:8448""#)).as_deref(),
        Some("[::1]:8448")
    );
}

#[test]
fn signatures_are_64_bytes_in_the_spellings_that_homeservers_read() {
    let url_safe = SIGNATURE.replace('+', "-").replace('/', "_");
    let over = SIGNATURE.strip_suffix('w').unwrap().to_owned() + "x";
    for (signature, is_clear) in [
        (SIGNATURE, true),
        (&format!("{SIGNATURE}=="), true),
        (&url_safe, true),
        (&over, true),
        (&format!("{SIGNATURE}="), true),
        (&format!("{SIGNATURE}A"), false),
        (&SIGNATURE[1..], false),
        ("", false),
    ] {
        let header = format!("X-Matrix origin=a.example,key=ed25519:k,sig=\"{signature}\"");
        assert_eq!(origin_of(&header).is_some(), is_clear, "{header}");
    }
}

#[test]
fn without_the_scheme_nobody_says_to_send() {
    for headers in [
        &[][..],
        &["Bearer t"],
        &["Bearer t", "Basic abc="],
        &[""],
        &["X-Matri"],
    ] {
        assert_eq!(read(headers), Credentials::None, "{headers:?}");
    }
}

#[test]
fn several_headers_are_ambiguous() {
    let (a, b) = (
        &*with("origin=a.example,key=ed25519:k"),
        &*with("origin=b.example,key=ed25519:k"),
    );
    for headers in [[a, b], [a, a], ["Bearer t", a], [a, "Bearer t"], [a, ""]] {
        assert_eq!(read(&headers), Credentials::Ambiguous, "{headers:?}");
    }
}

#[test]
fn what_two_readers_may_read_differently_is_ambiguous() {
    let long = format!("origin=a.example,key=ed25519:{}", "k".repeat(248));
    for parameters in [
        "key=ed25519:k",
        "origin=a.example",
        "origin=a.example,origin=b.example,key=ed25519:k",
        "origin=a.example,Origin=a.example,key=ed25519:k",
        "origin=a.example,key=ed25519:k,key=ed25519:k",
        "origin=a.example,key=ed25519:k,",
        ",origin=a.example,key=ed25519:k",
        "origin = a.example,key=ed25519:k",
        "origin=a.example ,key=ed25519:k",
        "origin=a.example,\tkey=ed25519:k",
        "origin=a.example key=ed25519:k",
        "origin=\"a.example,key=ed25519:k",
        "origin=a.example\",key=ed25519:k",
        "origin=\",key=ed25519:k",
        "origin=\"a\\.example\",key=ed25519:k",
        "foo=\"x,origin=b.example,y\",origin=a.example,key=ed25519:k",
        "foo,origin=a.example,key=ed25519:k",
        "origin=,key=ed25519:k",
        "origin=a_b,key=ed25519:k",
        "origin=a.example,key=rsa:k",
        "origin=a.example,key=ed25519:",
        "origin=a.example,key=ed25519:\u{e9}",
        "origin=a.example,\u{212a}ey=ed25519:k",
        "origin=a.example\0,key=ed25519:k",
        "ORIGIN=a.example,key=ed25519:k",
        // Who does not skip the space, or does not know upper case, finds no destination.
        "origin=a.example,key=ed25519:k, destination=d.example",
        "origin=a.example,key=ed25519:k,Destination=d.example",
        "origin=a.example,key=ed25519:k,destination=",
        "origin=a.example,key=ed25519:k,destination=d=e",
        &long,
    ] {
        let header = with(parameters);
        assert_eq!(read(&[&header]), Credentials::Ambiguous, "{header:?}");
    }
    let good = with("origin=a.example,key=ed25519:k");
    assert!(matches!(read(&[&good]), Credentials::Clear(_)));
    for header in [
        good.replace("X-Matrix ", "X-Matrix"),
        good.replace("X-Matrix ", "X-Matrix\t"),
        good.replace("X-Matrix ", "x-matrix "),
        good.replace("X-Matrix ", "X-Matrix2 "),
        good.replace("X-Matrix ", "Bearer t, X-Matrix "),
        good.clone() + " ",
        "X-Matrix".to_owned(),
    ] {
        assert_eq!(read(&[&header]), Credentials::Ambiguous, "{header:?}");
    }
}
