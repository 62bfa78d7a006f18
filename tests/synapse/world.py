"""The world of the scenarios: two Synapses that federate through two Vestibules.

Usage: world.py FOLDER VESTIBULE

Says `ready` on standard output once both answer and FOLDER/world.json describes them, then keeps them up until its
standard input ends: whoever started it can die in any way, and nothing stays behind. FOLDER goes away with it, unless
a scenario failed and left the file `failed` there. When one of the servers ends by itself, that file says which.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "deploy" / "demo"))
from private_federation import Failed, Homeserver, Processes, free_port, listener, start  # noqa: E402
from stranger import write_certificate  # noqa: E402

# Small, so that the scenarios about too large uploads move little.
MAX_UPLOAD_SIZE = "8M"


def homeservers(folder, sockets):
    """`near` has a port in its name and is reached on it; `far` is delegated by `.well-known` and behind a unix socket."""
    near_port, far_port = free_port(), free_port()
    common = {
        "max_upload_size": MAX_UPLOAD_SIZE,
        # A user who goes offline would wake the long polls that are timed here.
        "presence": {"enabled": False},
        # The provider does not exist: only the redirects to it are looked at.
        "cas_config": {"enabled": True, "server_url": "https://cas.invalid"},
    }
    site = f'max_upload_size = "{MAX_UPLOAD_SIZE}"\n'
    near = Homeserver(
        f"localhost:{near_port}", folder / "near", ("localhost", near_port), f"http://127.0.0.1:{free_port()}",
        site=site, listeners=listener(near_port, "both"), synapse=common,
    )
    far = Homeserver(
        "far.localhost", folder / "far", ("matrix.far.localhost", far_port), f"unix:{sockets}/synapse.sock",
        site=site + f'delegate = "matrix.far.localhost:{far_port}"\n', listeners=listener(far_port, "both"),
        synapse=common,
    )
    phone_book = {
        "addresses": {
            "far.localhost:443": ["127.0.0.1", far_port],
            f"matrix.far.localhost:{far_port}": ["127.0.0.1", far_port],
        },
        "services": {},
    }
    return [near, far], phone_book


def end_with_standard_input():
    """Ends this program as SIGTERM would, also while the servers are still starting."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main():
    folder, vestibule = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    processes = Processes()
    # A unix socket's path has room for 107 characters, a target folder may be deeper.
    sockets = tempfile.mkdtemp(prefix="vestibule-")
    try:
        pair, phone_book = homeservers(folder, sockets)
        authority = write_certificate(folder / "stranger")
        start(pair, processes, vestibule, sys.executable, phone_book, [authority])
        world = {
            name: {"server_name": one.server_name, "host": one.client_host, "port": one.client_port,
                   "authority": str(one.authority), "log": str(one.vestibule_log), "upstream": one.upstream,
                   "synapse_log": str(one.synapse_log), "vestibule": str(vestibule)}
            for name, one in zip(("near", "far"), pair)
        }
        (folder / "world.json").write_text(json.dumps(world))
        print("ready", flush=True)
        while True:
            processes.check()
            time.sleep(0.5)
    except Failed as failure:
        said = "\n".join([str(failure), *failure.last_lines(30), f"(logs: {folder})"])
        (folder / "failed").write_text(said)
        print(said, flush=True)
        return 1
    finally:
        processes.stop()
        shutil.rmtree(sockets, ignore_errors=True)
        if not (folder / "failed").exists():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
