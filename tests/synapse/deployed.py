"""The running deployment of deployment.py as scenarios see it: its clients, its processes and their access logs."""

import collections
import http.client
import json
import pathlib
import re
import select
import socket

from private_federation import Answer, Client, Connection, Failed
from scenarios import until

# Synapse's access log: status, "!" where the client had gone, method, target, user agent.
PROCESSED = re.compile(r'Processed request: .*?B (\d+)!? "(\S+) (\S+) [^"]*" "([^"]*)" \[\d+ dbevts\]')


class Deployment:
    """The running deployment as `deployment.json` describes it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        described = json.loads((self.folder / "deployment.json").read_text())
        self.here, self.there = (self.client(described[name]) for name in ("here", "there"))
        self.processes, self.control = described["processes"], described["control"]
        self.vestibule = described["vestibule"]
        self.database = described["database"]
        self.remote_database, self.remote_log = (self.there.folder / name for name in ("homeserver.db", "synapse.log"))

    @staticmethod
    def client(site):
        client = Client(site["host"], site["port"], site["authority"])
        client.server_name, client.folder = site["server_name"], pathlib.Path(site["folder"])
        return client

    def members_of(self, group):
        """The processes that Vestibule's configuration has in the group or, where it has none, in what stands in."""
        has = {name for name, process in self.processes.items() if group in process["groups"]}
        if has:
            return has
        # A stream without a writer is written by the main process, where single sign-on is as well.
        return {"main"} if group in ("device_lists", "sso_login") else self.members_of("generic_worker")

    def ask(self, action, *names, seconds=60):
        """Has deployment.py kill, stop or resume processes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(self.control)
            connection.sendall(json.dumps([action, names]).encode() + b"\n")
            if connection.recv(100) != b"done\n":
                raise Failed(f"{action} {names} was not done")

    def directly(self, name, method, target, token, body=None, seconds=60):
        """A request to one process, past Vestibule."""
        connection = Direct(self.processes[name]["address"], seconds)
        try:
            headers = {"Authorization": f"Bearer {token}", "Host": self.here.host, "X-Forwarded-For": "127.0.0.1"}
            connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def wait_until_healthy(self, *names, seconds=90):
        def all_are():
            try:
                return all(self.directly(name, "GET", "/health", "", seconds=5).status == 200 for name in names)
            except (OSError, http.client.HTTPException):
                return False

        until(f"{names} are healthy", all_are, seconds)

    def requests(self, agent=None):
        """What the access logs of all processes say: by user agent a list of (process, status, method, target)."""
        found = collections.defaultdict(list)
        for name, process in self.processes.items():
            for line in pathlib.Path(process["log"]).read_text(errors="replace").splitlines():
                if match := PROCESSED.search(line):
                    status, method, target, user_agent = match.groups()
                    if agent is None or user_agent.startswith(agent):
                        found[user_agent].append((name, int(status), method, target))
        return found


class Direct(http.client.HTTPConnection):
    """HTTP to a process on loopback or on a unix socket."""

    def __init__(self, address, seconds):
        super().__init__("localhost", timeout=seconds)
        self.address = address

    def connect(self):
        if isinstance(self.address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.address)
        else:
            self.sock = socket.create_connection(tuple(self.address), self.timeout)


class Kept(Client):
    """A client that keeps its connection, as real ones do; for one thread."""

    def __init__(self, client, timeout=100):
        super().__init__(client.host, client.port, client.authority, client.token, client.user)
        self.connection = Connection(client.host, client.port, ("127.0.0.1", client.port), client.authority,
                                     timeout=timeout)

    def request(self, method, target, body=None, headers=(), **_):
        """As `Client.request`. A connection that Vestibule has closed meanwhile is not used for it."""
        if self.connection.sock and select.select([self.connection.sock], [], [], 0)[0]:
            self.connection.close()
        headers = dict(headers)
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            self.connection.request(method, target, body, headers)
            return Answer(self.connection.getresponse())
        except BaseException:
            self.connection.close()
            raise
