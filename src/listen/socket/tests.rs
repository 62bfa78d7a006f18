use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use socket2::SockRef;

use super::*;

fn bind_one(address: &Address) -> Bound {
    bind("test", address).unwrap().sockets.remove(0)
}

fn problem(address: &Address) -> BindProblem {
    bind("test", address).unwrap_err().problem
}

fn loopback() -> Address {
    Address::Tcp("127.0.0.1:0".parse().unwrap())
}

fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

#[test]
fn port_zero_takes_a_free_port_and_accepted_sockets_have_no_delay() {
    let bound = bind_one(&loopback());
    let address = bound.socket_address().unwrap();
    assert_ne!(address.port(), 0);
    assert_eq!(bound.local, address.to_string());
    let Kind::Tcp(listener) = &bound.kind else {
        panic!("not TCP");
    };
    let nothing_yet = listener.accept().unwrap_err();
    assert_eq!(nothing_yet.kind(), io::ErrorKind::WouldBlock);
    assert!(SockRef::from(listener).reuse_address().unwrap());

    let _client = TcpStream::connect(address).unwrap();
    let (accepted, _) = std::iter::repeat_with(|| listener.accept())
        .find_map(Result::ok)
        .unwrap();
    assert!(accepted.nodelay().unwrap());
}

#[test]
fn any_interface_has_one_port_in_both_families() {
    let binding = bind("test", &Address::AnyInterface(0)).unwrap();
    let ports: Vec<_> = binding
        .sockets
        .iter()
        .map(|b| b.socket_address().unwrap().port())
        .collect();
    assert!(ports.iter().all(|port| *port == ports[0]));
    TcpStream::connect((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
    if !has_ipv6() {
        assert!(matches!(binding.notes[..], [BindNote::NoIpv6 { .. }]));
        return;
    }
    assert_eq!((ports.len(), binding.notes.len()), (2, 0));
    assert!(binding.sockets[1].local.starts_with("[::]:"));
    TcpStream::connect((Ipv6Addr::LOCALHOST, ports[0])).unwrap();
}

#[test]
fn ipv6_any_leaves_ipv4_alone() {
    if !has_ipv6() {
        return;
    }
    let bound = bind_one(&Address::Tcp("[::]:0".parse().unwrap()));
    let port = bound.socket_address().unwrap().port();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
}

#[test]
fn port_in_use_names_the_port_and_how_to_find_its_owner() {
    let first = bind_one(&loopback());
    let address = first.socket_address().unwrap();
    let error = bind("public", &Address::Tcp(address)).unwrap_err();
    assert!(matches!(error.problem, BindProblem::PortInUse { port } if port == address.port()));
    let text = error.to_string();
    let find = format!("ss -ltnp 'sport = :{}'", address.port());
    assert!(
        text.contains("\"public\"") && text.contains(&find),
        "{text}"
    );
}

#[test]
fn foreign_address_is_told_apart() {
    // TEST-NET-1 (RFC 5737) is on no machine.
    let address = "192.0.2.1:0".parse().unwrap();
    let problem = problem(&Address::Tcp(address));
    assert!(matches!(problem, BindProblem::NotLocal { .. }));
    assert!(problem.to_string().contains("ip -brief address"));
}

#[test]
fn system_errors_have_their_remedy() {
    let address: SocketAddr = "[::]:443".parse().unwrap();
    for (code, expected) in [
        (13, "CAP_NET_BIND_SERVICE"),
        (97, "this machine has no IPv6"),
        (98, "port 443 is in use"),
        (24, "Too many open files"),
    ] {
        let problem = BindProblem::of_tcp(io::Error::from_raw_os_error(code), address);
        assert!(problem.to_string().contains(expected), "{problem}");
    }
}

#[test]
fn unix_socket_is_for_owner_and_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sock");
    let bound = bind_one(&Address::Unix(path.clone()));
    assert_eq!(bound.local, format!("unix:{}", path.display()));
    assert_eq!(mode(&path), 0o660);
    let Kind::Unix(listener) = &bound.kind else {
        panic!("not a unix socket");
    };
    UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    let nothing_more = listener.accept().unwrap_err();
    assert_eq!(nothing_more.kind(), io::ErrorKind::WouldBlock);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn stale_unix_socket_is_replaced_and_a_living_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("v.sock"));
    drop(bind_one(&address));
    let _living = bind_one(&address);
    assert!(matches!(problem(&address), BindProblem::SocketInUse));
}

#[test]
fn unix_socket_problems_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "keep me").unwrap();
    assert!(matches!(
        problem(&Address::Unix(file.clone())),
        BindProblem::NotASocket
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "keep me");

    let missing = folder.path().join("missing/v.sock");
    assert!(matches!(
        problem(&Address::Unix(missing)),
        BindProblem::NoFolder { .. }
    ));

    let long = folder.path().join("x".repeat(108));
    assert!(matches!(
        problem(&Address::Unix(long)),
        BindProblem::PathTooLong { .. }
    ));
}

#[test]
fn an_address_is_shared_among_ourselves_only() {
    let any_port = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let first = bind("first", &any_port).unwrap().sockets.remove(0);
    let second = first.share().unwrap();
    let _third = second.share().unwrap();
    assert_eq!(first.socket_address(), second.socket_address());
    let taken = Address::Tcp(first.socket_address().unwrap());
    assert!(bind("other", &taken).unwrap_err().is_in_use());
}
