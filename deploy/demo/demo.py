"""The story that `deploy/demo/run` tells: three homeservers, three Vestibules, one room."""

import argparse
import datetime
import fcntl
import pathlib
import signal
import sys
import threading
import time

from private_federation import Failed, Homeserver, Processes, free_port, listener, start

PASSWORD = "vestibule-demo"
PEOPLE = {"one.localhost": "alice", "two.localhost": "bob", "three.localhost": "carol"}


def say(text=""):
    print(text, flush=True)


def federation(state):
    """The three homeservers, and the phone book by which their Synapses find one another.

    `*.localhost` is loopback for every browser and for curl without any DNS (RFC 6761), so the person at this machine
    uses the same names. The server names carry no port: each discovery begins at `https://NAME:443/.well-known`.
    """
    one_client, two_client, three_client = (free_port(port) for port in (8441, 8442, 8443))
    one_federation = free_port(8448)

    def homeserver(name, client, **options):
        return Homeserver(name, state / name, client, f"http://127.0.0.1:{free_port()}", **options)

    homeservers = [
        homeserver(
            "one.localhost", ("one.localhost", one_client),
            listeners=listener(one_client, "client") + listener(one_federation, "federation"),
        ),
        homeserver(
            "two.localhost", ("matrix.two.localhost", two_client),
            site=f'delegate = "matrix.two.localhost:{two_client}"\n',
            listeners=listener(two_client, "both"),
        ),
        homeserver(
            "three.localhost", ("chat.three.localhost", three_client),
            site='hosts = ["chat.three.localhost"]\n',
            listeners=listener(three_client, "both"),
        ),
    ]
    phone_book = {
        "addresses": {
            "one.localhost:443": ["127.0.0.1", one_client],
            "one.localhost:8448": ["127.0.0.1", one_federation],
            "two.localhost:443": ["127.0.0.1", two_client],
            f"matrix.two.localhost:{two_client}": ["127.0.0.1", two_client],
            "three.localhost:443": ["127.0.0.1", three_client],
            f"entrance.three.localhost:{three_client}": ["127.0.0.1", three_client],
        },
        "services": {"_matrix-fed._tcp.three.localhost": ["entrance.three.localhost", three_client]},
    }
    ways = {
        "one.localhost": f"directly, on its federation port (one.localhost:8448 -> 127.0.0.1:{one_federation})",
        "two.localhost": f"delegated: .well-known/matrix/server says matrix.two.localhost:{two_client}",
        "three.localhost": f"on another name: its SRV record says entrance.three.localhost:{three_client}",
    }
    return homeservers, phone_book, ways


def tell(sender, room, text, listeners):
    """Sends `text` while the others long poll; returns {user: milliseconds until it arrived}."""
    positions = {client.user: client.sync()["next_batch"] for client in listeners}
    arrived, failures = {}, []

    def listen(client):
        try:
            client.wait_for(room, lambda event: event.get("content", {}).get("body") == text, positions[client.user])
            arrived[client.user] = time.monotonic()
        except Exception as failure:  # told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=listen, args=(client,), daemon=True) for client in listeners]
    for thread in threads:
        thread.start()
    sent = time.monotonic()
    sender.send(room, text)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {user: round((at - sent) * 1000) for user, at in arrived.items()}


def prove(homeservers):
    """One user each, one room, everyone speaks and everyone hears; raises Failed if not."""
    began = time.monotonic()
    people = [one.client.logged_in(PEOPLE[one.server_name], PASSWORD) for one in homeservers]
    host, *guests = people
    alias = "lobby-" + datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    room = host.create_room(room_alias_name=alias, name="The lobby")
    alias = f"#{alias}:one.localhost"
    say(f"\n{host.user} made the room {alias}")
    for guest in guests:
        joined = time.monotonic()
        guest.join(alias, "one.localhost")
        say(f"{guest.user} joined it over federation in {time.monotonic() - joined:.1f} s")
    # The host's homeserver must know of each guest before they can hear one another.
    for guest in guests:
        for other in people:
            other_sees(other, room, guest.user)
    for speaker in people:
        text = f"Greetings from {speaker.user.partition(':')[2]}"
        arrivals = tell(speaker, room, text, [person for person in people if person is not speaker])
        heard = ", ".join(f"{user} after {milliseconds} ms" for user, milliseconds in arrivals.items())
        say(f'{speaker.user} said "{text}": heard by {heard}')
    return time.monotonic() - began


def other_sees(client, room, user, seconds=60):
    """Waits until `user` is a member of the room on the homeserver of `client`."""
    deadline = time.monotonic() + seconds
    target = f"/_matrix/client/v3/rooms/{room.replace('!', '%21').replace(':', '%3A')}/joined_members"
    while user not in client.expect("GET", target)["joined"]:
        if time.monotonic() > deadline:
            raise Failed(f"{client.user} does not see {user} in the room within {seconds} s")
        time.sleep(0.05)


def addresses(homeservers, ways, state):
    """Where everything is, for the person at this machine."""
    for one in homeservers:
        say(f"\n  {one.server_name}   found {ways[one.server_name]}")
        say(f"    clients     {one.base_url}   user {PEOPLE[one.server_name]}, password {PASSWORD}")
        say(f"    authority   {one.authority}")
        say(f"    logs        {one.vestibule_log}, {one.synapse_log.name}")
    one = homeservers[0]
    login = f'{{"type":"m.login.password","identifier":{{"type":"m.id.user","user":"alice"}},"password":"{PASSWORD}"}}'
    say("\nTo look around (*.localhost is this machine for curl and every browser):")
    say(f"  curl --cacert {one.authority} {one.base_url}/_matrix/client/versions")
    say(f"  curl --cacert {one.authority} {one.base_url}/_matrix/client/v3/login -d '{login}'")
    say(f"A Matrix client needs the authority files as trusted, then the addresses above as homeserver.\nState: {state}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--vestibule", type=pathlib.Path, required=True)
    parser.add_argument("--python", type=pathlib.Path, required=True)
    options = parser.parse_args()
    # SIGINT too: a shell script that runs this in the background leaves it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)

    lock = open(options.state / "lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"another demo is running on {options.state}; stop it, or choose another folder by VESTIBULE_DEMO_STATE")
        return 1

    processes = Processes()
    code = 1
    try:
        began = time.monotonic()
        homeservers, phone_book, ways = federation(options.state)
        say("Starting three homeservers, each behind a Vestibule ...")
        start(homeservers, processes, options.vestibule, options.python, phone_book)
        say(f"... all answer after {time.monotonic() - began:.1f} s")
        took = prove(homeservers)
        say(f"\nProved in {took:.1f} s: three homeservers, found in three ways, share one room through three Vestibules.")
        addresses(homeservers, ways, options.state)
        code = 0
        if not options.once:
            say("\nEverything stays up until Ctrl-C.")
            while True:
                processes.check()
                time.sleep(1)
    except KeyboardInterrupt:
        say("\nStopping ...")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except Failed as failure:
        code = 1
        say(f"\nFailed: {failure}")
        logs = [failure.log] if failure.log else [log for _, _, log in processes.running]
        for log in logs:
            say(f"--- the end of {log}")
            for line in Failed("", log).last_lines():
                say(f"    {line}")
    finally:
        processes.stop()
    if options.once:
        say(f"\nVerdict: {'it works' if code == 0 else 'it does NOT work'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
