"""Who is compared, and how each is started and stopped."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HOST = "matrix.example.com"
OURS = "vestibule"
START_DEADLINE = 20
STOP_DEADLINE = 5
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE
TLS.set_alpn_protocols(["http/1.1"])
# For whoever is not root, too.
PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


class Missing(Exception):
    """Something without which nothing can be compared."""


@dataclass(frozen=True)
class Peer:
    """A proxy: its program, its configuration in peers/, how it is started, and how it says its version."""

    name: str
    template: str
    arguments: tuple
    version: tuple
    program: str = ""
    environment: dict = field(default_factory=dict)

    def release(self):
        told = subprocess.run([self.program, *self.version], capture_output=True, text=True, timeout=20)
        return (told.stdout + told.stderr).strip().splitlines()[0]


OTHERS = [
    Peer("nginx", "nginx.conf", ("-e", "stderr", "-p", "{folder}", "-c", "{configuration}"), ("-v",)),
    Peer("haproxy", "haproxy.cfg", ("-db", "-q", "-f", "{configuration}"), ("-v",)),
    Peer("caddy", "Caddyfile", ("run", "--adapter", "caddyfile", "--config", "{configuration}"), ("version",),
         environment={"GOMAXPROCS": "2"}),
]


def available(program, wanted):
    """Us and the others that are installed, and what is not: [(name, remedy)]."""
    for tool, package in (("h2load", "nghttp2-client"), ("openssl", "openssl"), ("rustc", None)):
        if not shutil.which(tool, path=PATH):
            remedy = f"apt-get install {package}" if package else "https://rustup.rs"
            raise Missing(f"{tool} is missing: {remedy}")
    if not program.exists():
        raise Missing(f"there is no {program}")
    unknown = set(wanted.split(",")) - {peer.name for peer in OTHERS} if wanted else ()
    if unknown:
        raise Missing(f"unknown peer {', '.join(unknown)}; known: {', '.join(peer.name for peer in OTHERS)}")
    ours = Peer(OURS, "vestibule.toml", ("run", "--config", "{configuration}"), ("--version",), str(program))
    found, missing = [ours], []
    for peer in OTHERS:
        if wanted and peer.name not in wanted.split(","):
            continue
        there = shutil.which(peer.name, path=PATH)
        if there:
            found.append(Peer(**{**vars(peer), "program": there}))
        else:
            missing.append((peer.name, f"apt-get install --no-install-recommends {peer.name}"))
    return found, missing


def free_ports(count):
    """Ports that nobody has. Another program could take one before a peer does; then that peer says so."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Running:
    """A peer that has been started, in a process group of its own."""

    def __init__(self, peer, folder, certificates, upstream):
        self.start_another = lambda: Running(peer, folder, certificates, upstream)
        self.name = peer.name
        self.folder = Path(tempfile.mkdtemp(prefix=peer.name, dir=folder))
        self.port, admin = free_ports(2)
        marks = {
            "tls": self.port, "admin": admin, "upstream": upstream, "folder": self.folder,
            "certificates": certificates, "user": "user root;" if os.geteuid() == 0 else "",
        }
        text = (Path(__file__).parent / "peers" / peer.template).read_text()
        for mark, value in marks.items():
            text = text.replace("{{" + mark + "}}", str(value))
        configuration = self.folder / peer.template
        configuration.write_text(text)
        values = {"folder": self.folder, "configuration": configuration}
        arguments = [argument.format(**values) for argument in peer.arguments]
        own = {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            [peer.program, *arguments], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder,
            env={**os.environ, **own, **peer.environment}, start_new_session=True,
        )
        try:
            self.wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def wait_until_it_answers(self):
        end = time.monotonic() + START_DEADLINE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        raise Missing(f"{self.name} does not start: {self.log.read()[-2000:]}")

    def connect(self):
        """A connection over TLS that will speak HTTP/1.1."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return TLS.wrap_socket(plain, server_hostname=HOST)

    def stop(self):
        """Ends it with all its processes, and no patience: it serves nobody any more."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(1 if number == signal.SIGTERM else STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                continue
        self.log.close()
