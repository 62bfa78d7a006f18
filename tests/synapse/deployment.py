"""The world of the worker scenarios: Synapse as many processes, a second Synapse, and a Vestibule before each.

Usage: deployment.py FOLDER VESTIBULE

Says `ready` on standard output once everything answers and FOLDER/deployment.json describes it, then keeps it up until
its standard input ends; FOLDER goes away with it as with world.py. Scenarios kill and start single processes by the
unix socket `control`: one line of JSON, `["kill" or "stop" or "resume", [NAME, ...]]`, answered by `done`.

The processes of the many-process Synapse are forks of this one, as Synapse's own fork starter makes them: its code is
loaded once, and a restart costs a second instead of four. PostgreSQL and Redis are Debian's, in a temporary folder.
"""

import importlib
import json
import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "deploy" / "demo"))
import private_federation  # noqa: E402
from private_federation import Failed, Homeserver, Processes, free_port, listener  # noqa: E402
from stranger import write_certificate  # noqa: E402

NAME = "workers.localhost"
STREAMS = ("typing", "to_device", "receipts", "presence", "account_data", "push_rules")
SYNC = ("synchrotron", "initial_synchrotron", "sliding_sync")
# Each worker and the groups it has in Vestibule's configuration.
WORKERS = {
    "sync1": SYNC, "sync2": SYNC,
    "generic1": ("generic_worker",), "generic2": ("generic_worker",),
    "stream1": STREAMS,
    "media1": ("media_repository",),
}
ON_A_SOCKET = "generic2"


def program(name):
    """The path of a program that Debian may keep outside of PATH."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *map(str, folders)]))
    if not found:
        raise Failed(f"{name} is not installed: deploy/prerequisites workers")
    return found


class Forked:
    """A child of this process that runs a Python function; what `Processes` needs of a Popen."""

    def __init__(self, function, arguments, log, folder):
        self.returncode, parent = None, os.getpid()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.setsid()
            private_federation.LIBC.prctl(private_federation.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.closerange(3, 256)
            os.chdir(folder)
            sys.argv = arguments
            function()
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=30):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return self.returncode

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


class Deployment(Homeserver):
    """A Synapse of main process and workers behind one Vestibule."""

    def __init__(self, folder, sockets):
        port = free_port()
        self.sockets, self.reactor = sockets, None
        self.addresses = {name: ("127.0.0.1", free_port()) for name in ("main", *WORKERS)}
        self.addresses[ON_A_SOCKET] = f"{sockets}/{ON_A_SOCKET}.sock"
        super().__init__(
            NAME, folder / "workers", ("matrix.workers.localhost", port), self.url("main"),
            site=f'delegate = "matrix.workers.localhost:{port}"\nself_check = false\n',
            listeners=listener(port, "both") + "".join(map(self.worker_of_vestibule, WORKERS)),
            synapse=self.shared_settings(),
        )
        self.phone_book = {
            "addresses": {f"{host}:{number}": ["127.0.0.1", port]
                          for host, number in ((NAME, 443), ("matrix.workers.localhost", port))},
            "services": {},
        }

    def url(self, name):
        """Where a process listens, as Vestibule's configuration says it."""
        address = self.addresses[name]
        return f"unix:{address}" if isinstance(address, str) else f"http://{address[0]}:{address[1]}"

    def worker_of_vestibule(self, name):
        return f'\n[[workers]]\nname = "{name}"\nupstream = "{self.url(name)}"\ngroups = {json.dumps(WORKERS[name])}\n'

    def listeners_of(self, name):
        """Where a process of Synapse listens: for requests, and for its siblings."""
        address, resources = self.addresses[name], ["client", "federation"]
        if name == "media1":
            resources.append("media")
        place = {"path": address} if isinstance(address, str) else {"port": address[1], "bind_addresses": [address[0]]}
        return [
            {**place, "type": "http", "x_forwarded": True, "resources": [{"names": resources}]},
            {"path": f"{self.sockets}/{name}.replication", "type": "http", "resources": [{"names": ["replication"]}]},
        ]

    def shared_settings(self):
        generous = {"per_second": 1000, "burst_count": 1000}
        return {
            "listeners": self.listeners_of("main"),
            "database": {"name": "psycopg2", "args": {"host": self.sockets, "user": "synapse", "dbname": "postgres",
                                                      "cp_min": 1, "cp_max": 5}},
            "redis": {"enabled": True, "path": f"{self.sockets}/redis.sock"},
            "instance_map": {name: {"path": f"{self.sockets}/{name}.replication"} for name in ("main", *WORKERS)},
            "stream_writers": {stream: ["stream1"] for stream in STREAMS},
            "worker_replication_secret": "only-for-this-machine",
            "enable_media_repo": False,
            "media_instance_running_background_jobs": "media1",
            # One origin asks more here than the many of a real homeserver each do.
            "rc_federation": {"window_size": 1000, "sleep_limit": 10_000, "reject_limit": 10_000, "concurrent": 100},
            "rc_presence": {"per_user": generous}, "rc_room_creation": generous,
            "allow_public_rooms_over_federation": True,
            "user_directory": {"enabled": True, "search_all_users": True},
        }

    def log(self, name):
        return self.folder / f"{name}.log"

    def start_process(self, processes, name):
        """Starts the main process or a worker."""
        arguments = [f"synapse {name}", "--config-path", str(self.folder / "homeserver.yaml")]
        application = "homeserver"
        if name != "main":
            application = "generic_worker"
            settings = {"worker_app": "synapse.app.generic_worker", "worker_name": name,
                        "worker_listeners": self.listeners_of(name)}
            if name == "media1":
                settings["enable_media_repo"] = True
            path = self.folder / f"{name}.yaml"
            path.write_text(json.dumps(settings, indent=1))
            arguments += ["--config-path", str(path)]
        process = Forked(lambda: run_synapse(self.reactor, application), arguments, self.log(name), self.folder)
        processes.running.append((name, process, self.log(name)))

    def is_healthy(self, name):
        """Whether the process answers `/health` with 200."""
        address = self.addresses[name]
        try:
            with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
                probe.settimeout(5)
                probe.connect(address)
                probe.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return probe.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def load_synapse(phones):
    """Loads the code of Synapse with a stand-in for the reactor, which forks must not share; returns it."""
    from synapse.app.complement_fork_proxied_reactor import ProxiedReactor
    from twisted.internet.main import installReactor

    reactor = ProxiedReactor()
    installReactor(reactor)
    arguments, sys.argv = sys.argv, [sys.argv[0], str(phones)]
    importlib.import_module("launch_synapse")
    importlib.import_module("synapse.app.generic_worker")
    sys.argv = arguments
    return reactor


def run_synapse(reactor, application):
    """The whole life of a forked Synapse."""
    from twisted.internet.epollreactor import EPollReactor

    reactor._install_real_reactor(EPollReactor())
    importlib.import_module(f"synapse.app.{application}").main()


def start_database(processes, folder):
    """PostgreSQL refuses to run as root; it then runs as nobody. Its socket, and Redis', are in the folder."""
    options, data = {}, f"{folder}/database"
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    made = subprocess.run(
        [program("initdb"), "--pgdata", data, "--username", "synapse", "--auth", "trust", "--encoding", "UTF8",
         "--locale", "C", "--no-sync"], capture_output=True, text=True, check=False, cwd="/", timeout=60, **options,
    )
    if made.returncode != 0:
        raise Failed(f"initdb: exit code {made.returncode}\n{made.stdout}{made.stderr}")
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "max_connections": "100",
                "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
    command = [program("postgres"), "-D", data] + [word for item in settings.items() for word in ("-c", "=".join(item))]
    logs = pathlib.Path(folder)
    processes.start("PostgreSQL", command, logs / "postgres.log", cwd="/", **options)
    redis = [program("redis-server"), "--port", "0", "--unixsocket", f"{folder}/redis.sock", "--save", "",
             "--appendonly", "no", "--dir", folder]
    processes.start("Redis", redis, logs / "redis.log", cwd="/")
    for name, path in (("PostgreSQL", f"{folder}/.s.PGSQL.5432"), ("Redis", f"{folder}/redis.sock")):
        processes.wait_until(f"{name} listens", lambda: accepts(path), 60, logs / f"{name.lower()}.log")


def accepts(path):
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
        return True
    except OSError:
        return False


class World:
    """Everything that runs."""

    def __init__(self, folder, sockets, vestibule):
        self.folder, self.vestibule = folder, vestibule
        self.processes = Processes()
        self.here = Deployment(folder, sockets)
        port = free_port()
        self.there = Homeserver(
            f"localhost:{port}", folder / "remote", ("localhost", port), f"http://127.0.0.1:{free_port()}",
            site="self_check = false\n", listeners=listener(port, "both"),
            # Synapse's own times between attempts: who backs off stays so, for all to see.
            synapse={"presence": {"enabled": False}, "federation": {}},
        )
        self.control = socket.socket(socket.AF_UNIX)
        self.control.bind(f"{sockets}/control")
        self.control.listen()

    def start(self):
        authority = write_certificate(self.folder / "stranger")
        start_database(self.processes, self.here.sockets)
        both = [self.here, self.there]
        for one in both:
            one.start_vestibule(self.processes, self.vestibule)
        for one in both:
            self.processes.wait_until(f"Vestibule writes {one.authority}", one.authority.exists, 20, one.vestibule_log)
        authorities = [*(one.authority for one in both), authority]
        phones = self.here.configure_synapse(self.here.phone_book, authorities)
        self.there.start_synapse(self.processes, sys.executable, self.here.phone_book, authorities)
        self.here.reactor = load_synapse(phones)
        # The main process makes the tables, the others look for them.
        for group in (["main"], list(WORKERS)):
            for name in group:
                self.here.start_process(self.processes, name)
            for name in group:
                self.processes.wait_until(f"{name} is healthy", lambda: self.here.is_healthy(name), 120,
                                          self.here.log(name))
        for one in both:
            self.processes.wait_until(f"{one.server_name} answers", one.answers, 120, one.synapse_log)

    def describe(self):
        """What a scenario has to know."""
        sites = {
            name: {"server_name": one.server_name, "host": one.client_host, "port": one.client_port,
                   "authority": str(one.authority), "folder": str(one.folder)}
            for name, one in (("here", self.here), ("there", self.there))
        }
        running = {name: {"address": address, "log": str(self.here.log(name)), "groups": WORKERS.get(name, ["main"])}
                   for name, address in self.here.addresses.items()}
        return {**sites, "vestibule": self.vestibule, "processes": running, "control": f"{self.here.sockets}/control",
                "database": self.here.sockets}

    def serve(self):
        """Does what scenarios ask for, until standard input ends."""
        while True:
            readable, _, _ = select.select([sys.stdin, self.control], [], [], 0.5)
            if sys.stdin in readable and not sys.stdin.readline():
                return
            if self.control in readable:
                connection, _ = self.control.accept()
                with connection, connection.makefile("rw") as stream:
                    action, names = json.loads(stream.readline())
                    getattr(self, action)(names)
                    stream.write("done\n")
            self.processes.check()

    def kill(self, names):
        """Ends processes at once and all at the same time, without a chance to do anything."""
        self.take(names, signal.SIGKILL)

    def stop(self, names):
        """Ends processes as a service manager does."""
        self.take(names, signal.SIGTERM)

    def take(self, names, number):
        entries = [entry for entry in self.processes.running if entry[0] in names]
        self.processes.running = [entry for entry in self.processes.running if entry not in entries]
        for _, process, _ in entries:
            os.kill(process.pid, number)
        for _, process, _ in entries:
            process.wait(timeout=30)

    def resume(self, names):
        """Starts what was killed or stopped."""
        for name in names:
            if name in self.here.addresses:
                self.here.start_process(self.processes, name)
            else:
                self.here.start_vestibule(self.processes, self.vestibule)

    def end(self):
        for _, process, _ in self.processes.running:
            if isinstance(process, Forked) and process.poll() is None:
                process.kill()
        self.processes.stop()


def main():
    folder, vestibule = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A unix socket's path has room for 107 characters, a target folder may be deeper; and nobody must get there.
    sockets = tempfile.mkdtemp(prefix="vestibule-")
    world = World(folder, sockets, vestibule)
    try:
        world.start()
        (folder / "deployment.json").write_text(json.dumps(world.describe()))
        print("ready", flush=True)
        world.serve()
    except Failed as failure:
        said = "\n".join([str(failure), *failure.last_lines(30), f"(logs: {folder})"])
        (folder / "failed").write_text(said)
        print(said, flush=True)
        return 1
    finally:
        world.end()
        shutil.rmtree(sockets, ignore_errors=True)
        if not (folder / "failed").exists():
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
