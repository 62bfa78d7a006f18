//! A stand-in for Synapse that costs next to nothing: fixed bytes over HTTP/1.1, kept alive, a
//! thread for each connection.
//!
//! | asked for | answers |
//! |---|---|
//! | `/_matrix/client/v3/sync` | 64 KiB of JSON |
//! | a path that ends in `/echo` | the head of the request as it came |
//! | anything else | some 200 bytes of JSON |

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const SMALL: &str = r#"{"versions":["r0.6.1","v1.1","v1.2","v1.3","v1.4","v1.5","v1.6","v1.7","v1.8","v1.9","v1.10","v1.11"],"unstable_features":{"org.matrix.msc3440.stable":true,"org.matrix.simplified_msc3575":true}}"#;
const LARGE_SIZE: usize = 64 * 1024;
const BUFFER_SIZE: usize = 64 * 1024;

/// Answers on a port of loopback that the kernel chose, until the process ends; each answer
/// waits for `delay` first.
pub(crate) fn start(delay: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A peer that goes away has its reasons.
            thread::spawn(move || drop(serve(stream, delay)));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, delay: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let small = answer(SMALL.as_bytes());
    let large = answer(large().as_bytes());
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut filled = 0;
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer, &mut filled)? else {
            return Ok(());
        };
        let text = buffer.get(..head).unwrap_or_default();
        let wanted = Wanted::of(text);
        let echo = wanted.echo.then(|| answer(text));
        skip_body(&mut stream, &mut buffer, &mut filled, head, wanted.body)?;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let answer = if wanted.large { &large } else { &small };
        stream.write_all(echo.as_ref().unwrap_or(answer))?;
    }
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: Synapse/1.163.0\r\nDate: Wed, 18 Nov 2026 11:06:40 GMT\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\
         Cache-Control: no-cache, no-store, must-revalidate\r\n\
         Access-Control-Allow-Origin: *\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn large() -> String {
    let (begin, end) = (r#"{"next_batch":""#, r#""}"#);
    let filling = "s".repeat(LARGE_SIZE - begin.len() - end.len());
    [begin, &filling, end].concat()
}

/// What matters of a request.
struct Wanted {
    echo: bool,
    large: bool,
    body: usize,
}

impl Wanted {
    fn of(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1));
        let path = target.and_then(|target| target.split('?').next());
        let path = path.unwrap_or_default();
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            value.trim().parse().ok().filter(|_| is_length)
        });
        Self {
            echo: path.ends_with("/echo"),
            large: path == "/_matrix/client/v3/sync",
            body: length.unwrap_or(0),
        }
    }
}

/// Reads until a head is whole; its length, or `None` where the peer has closed between requests.
fn read_head(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    filled: &mut usize,
) -> io::Result<Option<usize>> {
    loop {
        let bytes = buffer.get(..*filled).unwrap_or_default();
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        let space = buffer.get_mut(*filled..).unwrap_or_default();
        match stream.read(space)? {
            0 if *filled == 0 => return Ok(None),
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => *filled += read,
        }
    }
}

/// Reads a body and forgets it; what has come of the next request moves to the front.
fn skip_body(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    filled: &mut usize,
    head: usize,
    length: usize,
) -> io::Result<()> {
    let here = (*filled - head).min(length);
    let mut missing = length - here;
    while missing > 0 {
        let wanted = missing.min(buffer.len());
        match stream.read(buffer.get_mut(..wanted).unwrap_or_default())? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => missing -= read,
        }
    }
    buffer.copy_within(head + here..*filled, 0);
    *filled -= head + here;
    Ok(())
}
