"""Real homeservers, each behind its own Vestibule, in a federation that never leaves this machine.

The demo tells a story with it, `tests/synapse` proves things with it. Standard library only; Synapse lives in its own
Python environment and is started as a program.
"""

import base64
import ctypes
import http.client
import json
import os
import pathlib
import random
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
GIVEN_PORTS = set()
LAUNCHER = pathlib.Path(__file__).with_name("launch_synapse.py")


class Failed(Exception):
    """Something did not work; `log` is the file that may say why."""

    def __init__(self, message, log=None):
        super().__init__(message)
        self.log = log

    def last_lines(self, count=15):
        """The end of the log, or nothing."""
        if not self.log or not pathlib.Path(self.log).exists():
            return []
        return pathlib.Path(self.log).read_text(errors="replace").splitlines()[-count:]


def quote(text):
    """One path segment: everything but unreserved characters encoded."""
    return urllib.parse.quote(text, safe="")


def free_port(wanted=None):
    """A TCP port that nobody listens on and that was not given before; `wanted` if possible.

    Else from below the kernel's ephemeral range, so that no outgoing connection takes it before its owner binds it.
    """
    for port in [wanted] * bool(wanted) + random.sample(range(15000, 32000), 200):
        if port in GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN_PORTS.add(port)
        return port
    raise Failed("no free TCP port on 127.0.0.1")


class Processes:
    """Everything that was started; nothing outlives this program, however it ends.

    Each process gets its own session, so that a Ctrl-C reaches only us and the order of stopping is ours. Were we
    killed, the kernel kills them (PR_SET_PDEATHSIG). It watches the thread that started them, hence `start` belongs to
    the main thread.
    """

    def __init__(self):
        self.running = []

    def start(self, name, command, log, **options):
        """Starts `command` with its output in the file `log`."""
        assert threading.current_thread() is threading.main_thread()
        parent = os.getpid()

        def die_with_parent():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with_parent, **options,
            )
        self.running.append((name, process, log))
        return process

    def check(self):
        """Raises if one of them has ended."""
        for name, process, log in self.running:
            if process.poll() is not None:
                raise Failed(f"{name} has ended with exit code {process.returncode}", log)

    def wait_until(self, what, condition, seconds, log=None):
        """Polls `condition` until it is true; a process that ends or the deadline is a failure."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            if result := condition():
                return result
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds} s", log)
            time.sleep(0.05)

    def stop(self, seconds=15):
        """Asks all to end, newest first, and kills what does not end in time."""
        for _, process, _ in reversed(self.running):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + seconds
        for _, process, _ in reversed(self.running):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.clear()


class Answer:
    """A complete HTTP answer."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Connection(http.client.HTTPSConnection):
    """TLS to `address` under the name `host`: no name is resolved, the certificate is checked all the same."""

    def __init__(self, host, port, address, authority, source="127.0.0.1", timeout=60):
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context(cafile=authority))
        self._address, self._source = address, source

    def connect(self):
        plain = socket.create_connection(self._address, self.timeout, source_address=(self._source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


class Client:
    """A Matrix client of one homeserver, through its Vestibule."""

    def __init__(self, host, port, authority, token=None, user=None):
        self.host, self.port, self.authority, self.token, self.user = host, port, str(authority), token, user

    def request(self, method, target, body=None, headers=(), source="127.0.0.1", timeout=60, host=None):
        """One request on its own connection. `target` goes out byte for byte; a dict becomes JSON."""
        connection = Connection(
            self.host, self.port, ("127.0.0.1", self.port), self.authority, source=source, timeout=timeout
        )
        send = dict(headers)
        if host:
            send["Host"] = host
        if self.token:
            send.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, dict):
            body = json.dumps(body)
            send.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, target, body, send)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def expect(self, method, target, body=None, status=200, **options):
        """`request` that must be answered with `status`; returns the JSON."""
        answer = self.request(method, target, body, **options)
        if answer.status != status:
            raise Failed(f"{method} {target} on {self.host}:{self.port}: expected {status}, got {answer}")
        return answer.json

    def logged_in(self, localpart, password):
        """Registers the user, or logs in one who exists; returns a client with its token."""
        identity = {"username": localpart, "password": password, "auth": {"type": "m.login.dummy"}}
        answer = self.request("POST", "/_matrix/client/v3/register", identity)
        if answer.status == 400 and answer.json.get("errcode") == "M_USER_IN_USE":
            login = {"type": "m.login.password", "password": password,
                     "identifier": {"type": "m.id.user", "user": localpart}}
            answer = self.request("POST", "/_matrix/client/v3/login", login)
        if answer.status != 200:
            raise Failed(f"registering {localpart} on {self.host}:{self.port}: {answer}")
        return Client(self.host, self.port, self.authority, answer.json["access_token"], answer.json["user_id"])

    def create_room(self, **options):
        return self.expect("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat", **options})["room_id"]

    def join(self, room_or_alias, via):
        target = f"/_matrix/client/v3/join/{quote(room_or_alias)}?via={quote(via)}&server_name={quote(via)}"
        return self.expect("POST", target, {}, timeout=120)["room_id"]

    def send(self, room, text):
        target = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
        return self.expect("PUT", target, {"msgtype": "m.text", "body": text})["event_id"]

    def sync(self, since=None, milliseconds=0, presence="offline"):
        query = {"timeout": milliseconds, "set_presence": presence}
        if since:
            query["since"] = since
        target = "/_matrix/client/v3/sync?" + urllib.parse.urlencode(query)
        return self.expect("GET", target, timeout=milliseconds / 1000 + 60)

    def wait_for(self, room, found, since=None, seconds=60):
        """Long polls until `found(event)` is true for a timeline event of the room; returns that event."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            answer = self.sync(since, milliseconds=int(left * 1000))
            since = answer["next_batch"]
            events = answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
            for event in events:
                if found(event):
                    return event
        raise Failed(f"{self.user}: the awaited event did not arrive within {seconds} s")


def listener(port, profile):
    """A TLS listener of Vestibule on loopback."""
    return f'\n[[listeners]]\naddress = "127.0.0.1:{port}"\ntls = true\nprofile = "{profile}"\n'


class Homeserver:
    """A Synapse and the Vestibule before it.

    `client` is the (host, port) clients use. `upstream` is where Synapse listens, as Vestibule's `homeserver` key says
    it. `site` and `listeners` are further lines of Vestibule's configuration, `synapse` further keys of homeserver.yaml.
    """

    def __init__(self, server_name, folder, client, upstream, site="", listeners="", synapse=None):
        self.server_name, self.folder = server_name, pathlib.Path(folder)
        self.client_host, self.client_port = client
        self.upstream, self.site, self.listeners, self.synapse = upstream, site, listeners, synapse or {}
        # One of the two, as `upstream` says.
        self.socket = upstream.removeprefix("unix:") if upstream.startswith("unix:") else None
        self.port = None if self.socket else int(upstream.rpartition(":")[2])
        self.authority = self.folder / "vestibule" / "ca.pem"
        self.vestibule_log = self.folder / "vestibule.log"
        self.synapse_log = self.folder / "synapse.log"

    @property
    def base_url(self):
        return f"https://{self.client_host}:{self.client_port}"

    @property
    def client(self):
        """A client without a user."""
        return Client(self.client_host, self.client_port, self.authority)

    def start_vestibule(self, processes, command):
        """Writes the configuration and starts the proxy; `command` is the path of the program."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "vestibule.toml"
        configuration.write_text(
            f'server_name = "{self.server_name}"\n'
            f'homeserver = "{self.upstream}"\n'
            f'tls = "internal"\n'
            f'state_folder = "{self.authority.parent}"\n'
            f"{self.site}"
            f'\n[well_known]\nclient = {{ base_url = "{self.base_url}" }}\n'
            f'\n[admin]\naddress = "off"\n'
            f'\n[timeouts]\ndrain = "1s"\n'
            f"{self.listeners}"
        )
        process = [str(command), "run", "--config", str(configuration)]
        processes.start(f"Vestibule of {self.server_name}", process, self.vestibule_log, cwd=self.folder)

    def synapse_address(self):
        """`upstream` as Synapse's listener says it."""
        if self.socket:
            return {"path": self.socket, "mode": 0o600}
        return {"port": self.port, "bind_addresses": ["127.0.0.1"]}

    def configure_synapse(self, phone_book, authorities):
        """Writes homeserver.yaml (JSON is YAML), the signing key and the phone book; returns the path of the latter."""
        generous = {"per_second": 1000, "burst_count": 1000}
        settings = {
            "server_name": self.server_name,
            "public_baseurl": f"{self.base_url}/",
            "report_stats": False,
            "signing_key_path": str(self.folder / "signing.key"),
            "media_store_path": str(self.folder / "media"),
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "macaroon_secret_key": "only for this machine", "form_secret": "only for this machine",
            "listeners": [{**self.synapse_address(), "type": "http", "x_forwarded": True,
                           "resources": [{"names": ["client", "federation"]}]}],
            # The whole federation is on loopback and its certificates are signed by each Vestibule's own authority.
            "federation_custom_ca_list": [str(path) for path in authorities],
            "federation_ip_range_blacklist": [], "ip_range_blacklist": [],
            "trusted_key_servers": [], "suppress_key_server_warning": True,
            "enable_registration": True, "enable_registration_without_verification": True, "bcrypt_rounds": 4,
            # A homeserver that was asked before it was up is asked again at once, not after ten minutes.
            "federation": {"destination_min_retry_interval": "1s", "destination_max_retry_interval": "5s"},
            "caches": {"sync_response_cache_duration": "0s"},
            "rc_message": generous, "rc_registration": generous, "rc_joins_per_room": generous,
            "rc_login": {"address": generous, "account": generous, "failed_attempts": generous},
            "rc_joins": {"local": generous, "remote": generous},
            "rc_invites": {"per_room": generous, "per_user": generous, "per_issuer": generous},
            **self.synapse,
        }
        (self.folder / "homeserver.yaml").write_text(json.dumps(settings, indent=1))
        phones = self.folder / "phone_book.json"
        phones.write_text(json.dumps(phone_book, indent=1))
        key = self.folder / "signing.key"
        if not key.exists():
            key.write_text(f"ed25519 demo {base64.b64encode(secrets.token_bytes(32)).decode().rstrip('=')}\n")
        return phones

    def start_synapse(self, processes, python, phone_book, authorities):
        """Configures Synapse and starts it."""
        phones = self.configure_synapse(phone_book, authorities)
        command = [str(python), str(LAUNCHER), str(phones), "--config-path", str(self.folder / "homeserver.yaml")]
        processes.start(f"Synapse of {self.server_name}", command, self.synapse_log, cwd=self.folder)

    def answers(self):
        """True once a request through Vestibule reaches Synapse.

        Not tried before Synapse listens: each attempt would be a 502 and a warning in the logs that people look into.
        """
        try:
            with socket.socket(socket.AF_UNIX if self.socket else socket.AF_INET) as probe:
                probe.connect(self.socket or ("127.0.0.1", self.port))
            return self.client.request("GET", "/_matrix/client/versions", timeout=10).status == 200
        except (OSError, http.client.HTTPException):
            return False


def start(homeservers, processes, vestibule, python, phone_book, more_authorities=()):
    """Starts all Vestibules, then all Synapses at once; returns when every one of them answers."""
    for one in homeservers:
        one.start_vestibule(processes, vestibule)
    for one in homeservers:
        what = f"Vestibule of {one.server_name} writes its authority to {one.authority}"
        processes.wait_until(what, one.authority.exists, 20, one.vestibule_log)
    authorities = [one.authority for one in homeservers] + list(more_authorities)
    for one in homeservers:
        one.start_synapse(processes, python, phone_book, authorities)
    for one in homeservers:
        processes.wait_until(f"Synapse of {one.server_name} answers through Vestibule", one.answers, 120, one.synapse_log)
