"""What two real Synapses must be able to do through two Vestibules: one function, one scenario.

Usage: scenarios.py FOLDER SCENARIO

FOLDER is that of a running world.py. Ends with exit code 0, or says what went wrong and ends with 1. Scenarios run at
the same time in the same world, so each makes its own users and rooms.
"""

import json
import pathlib
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "deploy" / "demo"))
import origin_rules  # noqa: E402
from keys import keys_of_strangers_are_had_through_synapse  # noqa: E402, F401
from private_federation import Client, Failed, quote  # noqa: E402
from stranger import Stranger  # noqa: E402
from verification import requests_are_verified_exactly_where_synapse_accepts_them  # noqa: E402, F401

MEBIBYTE = 1 << 20


class World:
    """The running world as `world.json` describes it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        description = json.loads((self.folder / "world.json").read_text())
        self.near, self.far = (
            Client(site["host"], site["port"], site["authority"]) for site in (description["near"], description["far"])
        )
        for site, name in ((self.near, "near"), (self.far, "far")):
            for fact in ("server_name", "upstream", "synapse_log", "vestibule"):
                setattr(site, fact, description[name][fact])
        # The port of the homeserver itself.
        self.near_synapse = description["near"]["synapse"]

    def users(self):
        """A new user on each homeserver. The slash in the name is legal and travels in every path as %2F."""
        tail = secrets.token_hex(4)
        return [site.logged_in(f"{name}/{tail}", "secret")
                for site, name in ((self.near, "anna"), (self.far, "bert"))]

    def users_in_a_room(self, **options):
        """A new user on each homeserver, both in a new room of the near one, whose alias holds a slash."""
        anna, bert = self.users()
        name = f"al/ias-{secrets.token_hex(4)}"
        room = anna.create_room(room_alias_name=name, **options)
        assert bert.join(f"#{name}:{self.near.server_name}", self.near.server_name) == room
        until(f"{bert.user} is in the room for {anna.user}", lambda: bert.user in members(anna, room))
        return anna, bert, room


def until(what, condition, seconds=30):
    """Polls until the condition holds and returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.1)
    return result


def members(client, room):
    return client.expect("GET", f"/_matrix/client/v3/rooms/{quote(room)}/joined_members")["joined"]


def body_is(text):
    return lambda event: event.get("content", {}).get("body") == text


def equal(what, found, wanted):
    """An assertion that says both sides."""
    if found != wanted:
        raise Failed(f"{what}: expected {wanted!r}, found {found!r}")


def curl(site, *arguments, stdin=None):
    """Runs curl against the site; returns (exit code, {status, version, sent, body, headers})."""
    with tempfile.TemporaryDirectory() as folder:
        body, headers = pathlib.Path(folder, "body"), pathlib.Path(folder, "headers")
        command = [
            "curl", "--silent", "--show-error", "--max-time", "60", "--path-as-is", "--globoff",
            "--cacert", site.authority, "--connect-to", f"{site.host}:{site.port}:127.0.0.1:{site.port}",
            "--output", str(body), "--dump-header", str(headers),
            "--write-out", '{"status": %{http_code}, "version": "%{http_version}", "sent": %{size_upload}}', *arguments,
        ]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"curl {' '.join(arguments)}: exit code {done.returncode}, {done.stderr.strip()} {done.stdout}")
        answer = json.loads(done.stdout)
        answer["body"] = body.read_bytes() if body.exists() else b""
        answer["headers"] = headers.read_text().lower()
        return answer


def a_95_second_long_poll_survives(world):
    anna, _ = world.users()
    since = anna.sync()["next_batch"]
    began = time.monotonic()
    answer = anna.sync(since, milliseconds=95_000)
    took = time.monotonic() - began
    if not 94.9 <= took <= 110:
        raise Failed(f"the long poll ended after {took:.1f} s with {answer}")


def a_message_wakes_a_long_poll(world):
    anna, bert, room = world.users_in_a_room()
    since = anna.sync()["next_batch"]
    text, heard = f"wake up {secrets.token_hex(4)}", []

    def listen():
        anna.wait_for(room, body_is(text), since)
        heard.append(time.monotonic())

    poll = threading.Thread(target=listen, daemon=True)
    poll.start()
    poll.join(2)
    assert poll.is_alive(), "the long poll ended although nothing had happened"
    sent = time.monotonic()
    bert.send(room, text)
    poll.join(30)
    assert heard, "the message did not wake the long poll"
    if heard[0] - sent > 5:
        raise Failed(f"the message woke the long poll only after {heard[0] - sent:.1f} s")


def a_remote_user_joins_by_an_alias_with_a_slash(world):
    _, bert, room = world.users_in_a_room()
    joined = bert.expect("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"]
    equal("rooms of the remote user", joined, [room])


def a_state_key_with_an_encoded_slash_stays_one_segment(world):
    anna, bert, room = world.users_in_a_room(power_level_content_override={"state_default": 0})
    for writer, reader, key in ((anna, bert, "from%2Fnear"), (bert, anna, "from%2Ffar%2F")):
        target = f"/_matrix/client/v3/rooms/{quote(room)}/state/org.example%2Ftype/{key}"
        writer.expect("PUT", target, {"by": writer.user})
        equal("state where it was written", writer.expect("GET", target), {"by": writer.user})
        answer = until("the state crosses", lambda: (found := reader.request("GET", target)).status == 200 and found)
        equal("state where it was read", answer.json, {"by": writer.user})


def media_crosses_the_federation(world):
    anna, bert = world.users()
    for size in (1, MEBIBYTE, 7 * MEBIBYTE):
        content = secrets.token_bytes(size)
        uri = anna.expect("POST", "/_matrix/media/v3/upload?filename=a%2Fb%20%C3%A4.bin", content,
                          headers={"Content-Type": "application/octet-stream"})["content_uri"]
        media = uri.removeprefix("mxc://")
        answer = bert.request("GET", f"/_matrix/client/v1/media/download/{media}")
        equal(f"status of the download of {size} bytes", answer.status, 200)
        assert answer.body == content, f"{size} bytes arrived as {len(answer.body)} other bytes"
        anybody = world.far.request("GET", f"/_matrix/client/v1/media/download/{media}")
        equal("status of a download without a token", anybody.status, 401)


def an_invite_crosses_the_federation(world):
    anna, bert = world.users()
    room = anna.create_room(preset="private_chat")
    anna.expect("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bert.user})
    until("the invite arrives", lambda: room in bert.sync().get("rooms", {}).get("invite", {}))
    bert.join(room, world.near.server_name)
    until("the invited user is in the room", lambda: bert.user in members(anna, room))


def messages_go_both_ways(world):
    anna, bert, room = world.users_in_a_room()
    for speaker, listener in ((anna, bert), (bert, anna)):
        since = listener.sync()["next_batch"]
        text = f"hello {secrets.token_hex(4)} äöü \U0001f6aa"
        speaker.send(room, text)
        equal("sender", listener.wait_for(room, body_is(text), since)["sender"], speaker.user)


def synapse_sees_the_address_of_the_client(world):
    spoofs = (
        {},
        {"X-Forwarded-For": "203.0.113.9"},
        {"x-forwarded-for": "203.0.113.9, 203.0.113.10", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"},
    )
    for number, (site, headers) in enumerate((site, headers) for site in (world.near, world.far) for headers in spoofs):
        user = site.logged_in(f"carl-{secrets.token_hex(4)}", "secret")
        source = f"127.0.7.{number + 1}"
        # Any request of a device counts as seen; the last one is shown.
        user.expect("GET", "/_matrix/client/v3/account/whoami", headers=headers, source=source)
        device, = user.expect("GET", "/_matrix/client/v3/devices", headers=headers, source=source)["devices"]
        equal(f"address that Synapse saw with {headers}", device["last_seen_ip"], source)


def the_sso_redirect_does_not_loop(world):
    aliases = {"near": [world.near.host], "far": [world.far.host, world.far.server_name]}
    for site, hosts in ((world.near, aliases["near"]), (world.far, aliases["far"])):
        for host in hosts:
            target = "/_matrix/client/v3/login/sso/redirect?redirectUrl=https%3A%2F%2Fclient.invalid%2F%3Fa%3Db"
            steps = follow(site, host, target)
            last = urllib.parse.urlsplit(steps[-1])
            equal(f"where {steps} ends", last.hostname, "cas.invalid")
            service = urllib.parse.parse_qs(last.query)["service"][0]
            assert service.startswith(f"https://{site.host}:{site.port}/"), f"the way back is {service}"
            # Under the public name one step leads there; under another, Synapse first sends to the public one.
            equal(f"redirects from {host}", len(steps), 1 if host == site.host else 2)


def follow(site, host, target, limit=5):
    """Follows redirects as long as they lead to this site; returns their Locations."""
    steps = []
    while len(steps) < limit:
        client = Client(host, site.port, site.authority)
        answer = client.request("GET", target)
        location = answer.headers["Location"]
        if answer.status not in (301, 302, 303) or not location:
            raise Failed(f"GET {target} on {host}: expected a redirect, got {answer} after {steps}")
        steps.append(location)
        to = urllib.parse.urlsplit(location)
        if to.port != site.port:
            return steps
        host, target = to.hostname, f"{to.path}?{to.query}"
    raise Failed(f"the redirects loop: {steps}")


def odd_uris(user, alias):
    """(target, a spelling that means the same to a sloppy reader, expected statuses)."""
    profile, event = "/_matrix/federation/v1/query/profile", "/_matrix/federation/v1/event"
    encoded = quote(user)
    # No such event; 404 and 403 both come after the signature was checked.
    unknown = (403, 404)
    return [
        (f"{profile}?user_id={encoded}", f"{profile}?user_id={user}", (200,)),
        (f"{profile}?user_id={user}", f"{profile}?user_id={encoded}", (200,)),
        (f"{profile}?user_id={encoded.lower()}", f"{profile}?user_id={encoded}", (200,)),
        (f"{profile}?&user_id={encoded}&&x=", f"{profile}?user_id={encoded}&x=", (200,)),
        (f"{profile}?x=%2F%2f%7E~%25&y=a+b%20c&user_id={encoded}",
         f"{profile}?x=%2F%2F~~%25&y=a%20b%20c&user_id={encoded}", (200,)),
        (f"{profile}?user_id={encoded}&x=a?b/c//d;e:@!$'()*,=", f"{profile}?user_id={encoded}&x=a%3Fb", (200,)),
        (f"/_matrix/federation/v1/query/directory?room_alias={quote(alias)}",
         f"/_matrix/federation/v1/query/directory?room_alias={alias.replace('#', '%23')}", (200,)),
        (f"{event}/%24a%2Fb%2Bc+d:example.org", f"{event}/$a/b+c+d:example.org", unknown),
        (f"{event}/$a%2fb", f"{event}/$a%2Fb", unknown),
        (f"{event}/%24a%2F..%2Fb", f"{event}/%24b", unknown),
        (f"{event}/$%C3%A4%7Ex", f"{event}/$%c3%a4~x", unknown),
    ]


def a_signature_over_an_odd_uri_is_accepted(world):
    with Stranger(world.folder / "stranger") as stranger:
        for site in (world.near, world.far):
            user = site.logged_in(f"d/{secrets.token_hex(4)}", "secret")
            name = f"odd/{secrets.token_hex(4)}"
            user.create_room(room_alias_name=name)
            for target, sloppy, statuses in odd_uris(user.user, f"#{name}:{site.server_name}"):
                # First HTTP/1.1 as homeservers speak it, then HTTP/2 as another proxy in between might.
                for ask in (over_http1, over_http2):
                    right = ask(site, target, stranger.authorization(site.server_name, "GET", target))
                    if right[0] not in statuses:
                        raise Failed(f"{ask.__name__} {target}: expected {statuses}, got {right}")
                    wrong = ask(site, target, stranger.authorization(site.server_name, "GET", sloppy))
                    equal(f"{ask.__name__} {target} signed as {sloppy}", wrong[0], 401)


def over_http1(site, target, authorization):
    answer = site.request("GET", target, headers={"Authorization": authorization})
    return answer.status, answer.body


def over_http2(site, target, authorization):
    answer = curl(site, "--http2", "--header", f"Authorization: {authorization}",
                  f"https://{site.host}:{site.port}{target}")
    equal("protocol version", answer["version"], "2")
    return answer["status"], answer["body"]


def a_too_large_upload_is_refused_readably(world):
    size, failures = 64 * MEBIBYTE, []
    with tempfile.NamedTemporaryFile() as large:
        large.truncate(size)
        for user in world.users():
            for flag in ("--http2", "--http1.1"):
                for length in ("known", "unknown"):
                    try:
                        # Whether a client sees an early answer or a broken connection may be a race: try it often.
                        for _ in range(5):
                            refuse_upload(user, flag, length, large.name, size)
                    except Exception as failure:
                        failures.append(f"{user.host} {flag}, length {length}: {failure}")
            # One that fits goes through the same way.
            with tempfile.NamedTemporaryFile() as small:
                small.truncate(7 * MEBIBYTE)
                equal("status of an upload that fits", upload(user, "--http2", "known", small.name)["status"], 200)
    if failures:
        raise Failed("\n".join(failures))


def upload(user, flag, length, file):
    """Uploads the file by curl; of unknown length, it is chunked in HTTP/1.1 and has no Content-Length in HTTP/2."""
    body = ["--data-binary", f"@{file}"] if length == "known" else ["--upload-file", "-"]
    with open(file, "rb") as stdin:
        return curl(user, flag, "--request", "POST", *body, "--header", f"Authorization: Bearer {user.token}",
                    "--header", "Content-Type: application/octet-stream",
                    f"https://{user.host}:{user.port}/_matrix/media/v3/upload", stdin=stdin)


def refuse_upload(user, flag, length, file, size):
    """The upload is refused before all of it was sent, and curl and a browser can read why."""
    answer = upload(user, flag, length, file)
    equal("protocol", f"--http{answer['version']}", flag)
    equal("status", answer["status"], 413)
    equal("errcode", json.loads(answer["body"])["errcode"], "M_TOO_LARGE")
    assert "access-control-allow-origin: *" in answer["headers"], "a browser cannot read it"
    assert answer["sent"] < size, f"all {size} bytes were read"


def a_denied_origin_never_reaches_synapse(world):
    with Stranger(world.folder / "stranger") as stranger:
        origin_rules.denied_never_reaches_synapse(world, stranger, until, equal)


def a_ban_in_a_policy_room_takes_effect(world):
    with Stranger(world.folder / "stranger") as stranger:
        origin_rules.policy_room_takes_effect(world, stranger, until, equal)


def no_spelling_passes_an_allow_list(world):
    with Stranger(world.folder / "stranger") as stranger:
        origin_rules.no_spelling_passes_an_allow_list(world, stranger, until, equal)


def main():
    world, scenario = World(sys.argv[1]), globals()[sys.argv[2]]
    try:
        scenario(world)
    except Exception as failure:
        if not isinstance(failure, Failed):
            traceback.print_exc(file=sys.stdout)
        print(f"{sys.argv[2]}: {failure}")
        (world.folder / "failed").touch()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
