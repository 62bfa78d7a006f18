//! An authoritative DNS server for one test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What a name has.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Address(IpAddr),
    Alias(&'static str),
    Service(u16, u16, u16, &'static str),
    /// The name server fails.
    Failure,
}

/// The records of a test.
pub(crate) type Zone = Vec<(&'static str, Record)>;

/// An A or AAAA record.
pub(crate) fn address(name: &'static str, text: &str) -> (&'static str, Record) {
    (name, Record::Address(text.parse().unwrap()))
}

/// Serves a zone until the test ends, from so far away.
pub(crate) async fn serve(zone: Zone, round_trip: Duration) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let socket = Arc::new(socket);
    tokio::spawn(async move {
        let mut query = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            let Some(answer) = answer(&zone, &query[..length]) else {
                continue;
            };
            let socket = socket.clone();
            tokio::spawn(async move {
                tokio::time::sleep(round_trip).await;
                let _ = socket.send_to(&answer, client).await;
            });
        }
    });
    address
}

fn answer(zone: &Zone, query: &[u8]) -> Option<Vec<u8>> {
    let (name, end) = question(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let has_failed = zone
        .iter()
        .any(|(own, record)| own.eq_ignore_ascii_case(&name) && matches!(record, Record::Failure));
    let mut answers = Vec::new();
    collect(zone, &name, kind, &mut answers);
    let exists = zone.iter().any(|(own, _)| own.eq_ignore_ascii_case(&name));
    let code = match (has_failed, exists) {
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 3,
    };
    let mut message = query[..2].to_vec();
    message.extend([0x85, 0x80 | code, 0, 1]);
    message.extend(u16::try_from(answers.len()).unwrap().to_be_bytes());
    message.extend([0; 4]);
    message.extend(&query[12..end + 4]);
    for (owner, kind, data) in answers {
        message.extend(encoded(&owner));
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    Some(message)
}

fn collect(zone: &Zone, name: &str, kind: u16, answers: &mut Vec<(String, u16, Vec<u8>)>) {
    for (own, record) in zone
        .iter()
        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
    {
        match record {
            Record::Address(IpAddr::V4(address)) if kind == A => {
                answers.push(((*own).to_owned(), A, Ipv4Addr::octets(address).to_vec()));
            }
            Record::Address(IpAddr::V6(address)) if kind == AAAA => {
                answers.push(((*own).to_owned(), AAAA, Ipv6Addr::octets(address).to_vec()));
            }
            Record::Service(priority, weight, port, target) if kind == SRV => {
                let numbers = [priority, weight, port].map(|number| number.to_be_bytes());
                let data = [numbers.concat(), encoded(target)].concat();
                answers.push(((*own).to_owned(), SRV, data));
            }
            Record::Alias(target) => {
                answers.push(((*own).to_owned(), CNAME, encoded(target)));
                collect(zone, target, kind, answers);
            }
            Record::Address(_) | Record::Service(..) | Record::Failure => {}
        }
    }
}

/// The name that is asked for, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
        at += length;
    }
}

fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}
