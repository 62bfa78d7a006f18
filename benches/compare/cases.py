"""What is asked of each peer, and how its cost is taken."""

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass

import machine
from peers import HOST

SMALL = "/_matrix/client/v3/capabilities"
LARGE = "/_matrix/client/v3/sync?since=s1"
EVENT = "/_matrix/client/v3/rooms/!r:x/send/m.room.message/1"
WELL_KNOWN = "/.well-known/matrix/client"
BODY_SIZE = 64 * 1024
LOAD_DEADLINE = 120
# Memory settles a moment after the last connection.
SETTLING = 1.0
QUICK = 100


class Failed(Exception):
    """A peer did not do what was asked."""


@dataclass(frozen=True)
class Case:
    name: str
    path: str
    requests: int
    connections: int
    streams: int = 1
    http2: bool = False
    uploads: bool = False


CASES = [
    Case("GET 200 B, HTTP/1.1", SMALL, 20_000, 16),
    Case("GET 200 B, HTTP/2", SMALL, 20_000, 8, streams=4, http2=True),
    Case("well-known, HTTP/1.1", WELL_KNOWN, 20_000, 16),
    Case("GET 64 KiB, HTTP/1.1", LARGE, 4_000, 8),
    Case("PUT 64 KiB, HTTP/1.1", EVENT, 4_000, 8, uploads=True),
]
IDLE = Case("idle TLS connection", SMALL, 0, 500)


def ask(connection, path):
    """One GET on a connection; (status line, body)."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, body = answer.split(b"\r\n\r\n", 1)
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += receive(connection)
    return head.split(b"\r\n")[0].decode(), body


def receive(connection):
    part = connection.recv(65536)
    if not part:
        raise Failed("the connection was closed")
    return part


def check_requests(peer):
    """Whether the peer does the same work as the others; what it does not, in words."""
    failures = []
    try:
        with peer.connect() as connection:
            for path, size in ((SMALL, 150), (LARGE, BODY_SIZE), (WELL_KNOWN, 50)):
                status, body = ask(connection, path)
                if " 200" not in status or len(body) < size:
                    failures.append(f"{peer.name}, GET {path}: {status}, {len(body)} bytes")
            _, seen = ask(connection, SMALL + "/echo")
    except (Failed, OSError) as error:
        return [f"{peer.name}: {error}"]
    lines = {line.lower() for line in seen.decode().split("\r\n")}
    for wanted in (f"host: {HOST}", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: https"):
        if wanted not in lines:
            failures.append(f"{peer.name}: the upstream does not see `{wanted}`")
    return failures


def cpu_time(peer, case, quick):
    """Microseconds of CPU time for one request."""
    requests = QUICK if quick else case.requests
    load(peer, case, max(requests // 10, case.connections * case.streams))
    before = machine.cpu_nanoseconds(peer.process.pid)
    load(peer, case, requests)
    return (machine.cpu_nanoseconds(peer.process.pid) - before) / requests / 1000


def load(peer, case, requests):
    with tempfile.NamedTemporaryFile(dir=peer.folder) as body:
        body.write(b"x" * BODY_SIZE)
        body.flush()
        command = [
            "h2load", "-t", "1", "-n", str(requests), "-c", str(case.connections), "-m", str(case.streams),
            # One cipher, so that all do the same work.
            "--tls13-ciphers=TLS_AES_128_GCM_SHA256", f"--connect-to=127.0.0.1:{peer.port}",
            f"https://{HOST}:{peer.port}{case.path}",
        ]
        if not case.http2:
            command.append("--h1")
        if case.uploads:
            command += ["-d", body.name, "-H", ":method: PUT", "-H", "content-type: application/json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {LOAD_DEADLINE} s") from None
    good = re.search(r"status codes: (\d+) 2xx", done.stdout)
    if not good or int(good[1]) != requests:
        raise Failed(f"{good[1] if good else 'none'} of {requests} requests succeeded {done.stderr.strip()}")


def idle_memory(peer, case, quick):
    """KiB of memory for a connection that had one request and now waits."""
    count = QUICK if quick else case.connections
    # Whoever has served thousands before has memory to spare, which would not show.
    peer = peer.start_another()
    try:
        # What only the first connections need is no part of it.
        first = hold(peer, case, 20)
        time.sleep(SETTLING)
        before = machine.memory_kib(peer.process.pid)
        more = hold(peer, case, count)
        time.sleep(SETTLING)
        grown = machine.memory_kib(peer.process.pid) - before
        del first, more
        return grown / count
    finally:
        peer.stop()


def hold(peer, case, count):
    connections = []
    try:
        for _ in range(count):
            connections.append(peer.connect())
            status, _ = ask(connections[-1], case.path)
            if " 200" not in status:
                raise Failed(status)
    except OSError as error:
        raise Failed(f"connection {len(connections) + 1}: {error}") from None
    return connections
