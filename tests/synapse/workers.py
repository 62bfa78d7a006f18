"""What must be true of a Synapse with workers behind Vestibule: one function, one scenario.

Usage: workers.py FOLDER SCENARIO

FOLDER is that of a running deployment.py. Ends with exit code 0, or says what went wrong and ends with 1. One scenario
runs at a time, for they kill processes.
"""

import collections
import concurrent.futures
import pathlib
import secrets
import signal
import subprocess
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "deploy" / "demo"))
from private_federation import Client, Failed, Processes, free_port, listener, quote  # noqa: E402
from deployed import Deployment, Kept  # noqa: E402
from guest import FEDERATION, Guest  # noqa: E402
from outages import (  # noqa: E402,F401
    a_worker_that_is_killed_ten_times_does_nothing_twice, an_outage_of_20_seconds_is_not_seen,
    ten_restarts_cause_no_back_off,
)
from scenarios import equal, until  # noqa: E402

C = "/_matrix/client/v3"
# No scenario takes longer, in seconds.
LONGEST = 300
# A picture of one pixel.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f00038201"
    "80b5cea4f60000000049454e44ae426082"
)


class Probes:
    """Requests of which each can be found in the access logs, by a user agent of its own."""

    def __init__(self, site):
        self.site, self.sent, self.tag = site, [], secrets.token_hex(4)

    def __call__(self, group, client, method, target, body=None, status=200, headers=()):
        """Sends it; the group is that whose worker has to answer. Returns the JSON of the answer if it has some."""
        agent = f"probe-{self.tag}-{len(self.sent)}"
        headers = {**dict(headers), "User-Agent": agent}
        answer = client.request(method, target, body, headers=headers)
        self.sent.append((agent, group, f"{method} {target}"))
        if answer.status != status:
            raise Failed(f"{method} {target} ({group}): expected {status}, got {answer}")
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.json if is_json else None

    def verify(self, deployment):
        """Each arrived once, and where it belongs."""
        agents = {agent for agent, _, _ in self.sent}
        prefix = f"probe-{self.tag}-"
        until("every request is in an access log", lambda: agents <= deployment.requests(prefix).keys(), 20)
        arrived, problems = deployment.requests(prefix), []
        for agent, group, what in self.sent:
            wanted = deployment.members_of(group)
            where = [name for name, _, _, _ in arrived[agent]]
            if len(where) != 1 or where[0] not in wanted:
                problems.append(f"{what} ({group}): belongs on one of {sorted(wanted)}, arrived at {where}")
        if problems:
            raise Failed("\n".join(problems))
        return {name for agent, _, _ in self.sent for name, _, _, _ in arrived[agent]}


def every_request_lands_on_a_worker_of_its_group(deployment):
    anna, room = route_everything(deployment, deployment.here)
    another_synapse_joins(deployment, anna, room)


def an_imported_configuration_routes_the_same(deployment):
    """What `vestibule import synapse` writes from the files of this deployment is as good as ours, which is by hand."""
    folder, processes, port = deployment.folder / "imported", Processes(), free_port()
    folder.mkdir(exist_ok=True)
    files = [deployment.here.folder / "homeserver.yaml"]
    files += [deployment.here.folder / f"{name}.yaml" for name in deployment.processes if name != "main"]
    done = subprocess.run([deployment.vestibule, "import", "synapse", *files], capture_output=True, text=True,
                          timeout=30, check=False)
    equal(f"exit code of the import, which says {done.stderr}", done.returncode, 0)
    # Only what a test must not share with the machine is not the import's: ports, the certificate, the folder.
    (folder / "vestibule.toml").write_text(
        f'tls = "internal"\nself_check = false\nstate_folder = "{folder}/state"\n{done.stdout}\n[admin]\naddress = "off"\n'
        + listener(port, "both")
    )
    site = Client(deployment.here.host, port, folder / "state" / "ca.pem")
    site.server_name = deployment.here.server_name
    try:
        command = [deployment.vestibule, "run", "--config", str(folder / "vestibule.toml")]
        processes.start("imported Vestibule", command, folder / "vestibule.log")
        processes.wait_until("the imported Vestibule answers", lambda: answers(site), 20, folder / "vestibule.log")
        route_everything(deployment, site)
    except Failed as failure:
        raise Failed("\n".join([str(failure), *failure.last_lines()])) from None
    finally:
        processes.stop()


def route_everything(deployment, site):
    """Sends every kind of request through the Vestibule at `site`; returns a user and the user's room."""
    probe = Probes(site)
    anna, bert = (site.logged_in(f"{name}-{secrets.token_hex(4)}", "secret") for name in ("anna", "bert"))
    room = client_requests(probe, site, anna, bert)
    media_requests(probe, site, anna)
    with Guest(deployment.folder / "stranger", site) as guest:
        federation_requests(probe, site, guest, anna, room)
    used = probe.verify(deployment)
    groups = {group for process in deployment.processes.values() for group in process["groups"]}
    equal("groups that got nothing", {group for group in groups if not used & deployment.members_of(group)}, set())
    kinds = len({what.split("?")[0] for _, _, what in probe.sent})
    assert kinds >= 60, f"only {kinds} different requests"
    print(f"{len(probe.sent)} requests to {kinds} targets")
    return anna, room


def client_requests(probe, here, anna, bert):
    """What clients ask; returns the room that it was about."""
    password = {"type": "m.login.password", "password": "secret",
                "identifier": {"type": "m.id.user", "user": anna.user}}
    probe("client_reader", anna, "GET", "/_matrix/client/versions")
    probe("login", here, "GET", f"{C}/login")
    token = probe("login", here, "POST", f"{C}/login", password)["access_token"]
    second = Client(here.host, here.port, here.authority, token, anna.user)
    probe("client_reader", second, "GET", f"{C}/account/whoami")
    probe("main", second, "POST", f"{C}/logout", {})
    name = secrets.token_hex(4)
    probe("login", here, "GET", f"{C}/register/available?username=carl-{name}")
    probe("login", here, "POST", f"{C}/register",
          {"username": f"carl-{name}", "password": "secret", "auth": {"type": "m.login.dummy"}})
    probe("client_reader", anna, "GET", f"{C}/capabilities")
    probe("client_reader", anna, "GET", f"{C}/voip/turnServer")
    probe("client_reader", anna, "GET", f"{C}/account/3pid")
    probe("main", anna, "GET", f"{C}/thirdparty/protocols")
    probe("main", anna, "GET", f"{C}/pushers")
    probe("main", anna, "GET", f"{C}/admin/whois/{quote(anna.user)}")
    probe("main", anna, "POST", f"{C}/user/{quote(anna.user)}/openid/request_token", {})
    room = room_requests(probe, here, anna, bert)
    stream_requests(probe, anna, bert, room)
    key_requests(probe, anna, room)
    sync_requests(probe, anna, bert, room)
    return room


def room_requests(probe, here, anna, bert):
    """Rooms and events."""
    alias = f"room-{secrets.token_hex(4)}"
    room = probe("event_creator", anna, "POST", f"{C}/createRoom",
                 {"preset": "public_chat", "room_version": "11", "room_alias_name": alias})["room_id"]
    at = f"{C}/rooms/{quote(room)}"
    message = {"msgtype": "m.text", "body": "hello"}
    event = probe("event_creator", anna, "PUT", f"{at}/send/m.room.message/{secrets.token_hex(8)}", message)["event_id"]
    probe("event_creator", anna, "POST", f"{at}/send/m.room.message", message)
    # What a sloppy pattern takes for typing, tags or members.
    probe("event_creator", anna, "PUT", f"{at}/send/typing/members", message)
    probe("event_creator", anna, "PUT", f"{at}/state/org.example/tags", {"a": 1})
    probe("event_creator", anna, "PUT", f"{at}/state/org.example/a%2Ftyping%2Fb", {"a": 1})
    probe("client_reader", anna, "GET", f"{at}/state/org.example/tags")
    probe("client_reader", anna, "GET", f"{at}/state")
    probe("client_reader", anna, "GET", f"{C}/joined_rooms")
    probe("event_creator", bert, "POST", f"{C}/join/{quote(f'#{alias}:{here.server_name}')}", {})
    probe("event_creator", bert, "POST", f"{at}/leave", {})
    probe("main", bert, "POST", f"{at}/forget", {})
    for action in ("ban", "unban", "invite"):
        probe("event_creator", anna, "POST", f"{at}/{action}", {"user_id": bert.user})
    probe("event_creator", bert, "POST", f"{at}/join", {})
    probe("client_reader", anna, "GET", f"{at}/members")
    probe("client_reader", anna, "GET", f"{at}/joined_members")
    probe("client_reader", anna, "GET", f"{at}/messages?dir=b&limit=5")
    probe("client_reader", anna, "GET", f"{at}/event/{quote(event)}")
    probe("client_reader", anna, "GET", f"{at}/context/{quote(event)}")
    probe("client_reader", anna, "GET", f"{at}/aliases")
    stable = at.replace("/v3/", "/v1/")
    probe("client_reader", anna, "GET", f"{stable}/relations/{quote(event)}")
    probe("client_reader", anna, "GET", f"{stable}/threads")
    probe("client_reader", anna, "GET", f"{stable}/hierarchy")
    probe("client_reader", anna, "GET", f"{stable}/timestamp_to_event?ts=0&dir=f")
    probe("event_creator", anna, "PUT", f"{at}/redact/{quote(event)}/{secrets.token_hex(8)}", {})
    probe("main", bert, "POST", f"{at}/report/{quote(event)}", {"reason": "a test"})
    other = quote(f"#other-{alias}:{here.server_name}")
    probe("client_reader", anna, "PUT", f"{C}/directory/room/{other}", {"room_id": room})
    probe("client_reader", anna, "GET", f"{C}/directory/room/{other}")
    probe("client_reader", anna, "DELETE", f"{C}/directory/room/{other}")
    probe("main", anna, "GET", f"{C}/directory/list/room/{quote(room)}")
    probe("client_reader", anna, "GET", f"{C}/publicRooms")
    probe("client_reader", anna, "POST", f"{C}/publicRooms", {"limit": 3})
    probe("client_reader", anna, "POST", f"{C}/search",
          {"search_categories": {"room_events": {"search_term": "hello"}}})
    probe("user_dir", anna, "POST", f"{C}/user_directory/search", {"search_term": "bert"})
    probe("event_creator", anna, "PUT", f"{C}/profile/{quote(anna.user)}/displayname", {"displayname": "Anna"})
    probe("event_creator", anna, "GET", f"{C}/profile/{quote(anna.user)}/displayname")
    probe("event_creator", anna, "GET", f"{C}/profile/{quote(anna.user)}")
    old = anna.create_room()
    probe("main", anna, "POST", f"{C}/rooms/{quote(old)}/upgrade", {"new_version": "11"})
    return room


def stream_requests(probe, anna, bert, room):
    """What only the writer of a stream takes."""
    at, user = f"{C}/rooms/{quote(room)}", f"{C}/user/{quote(anna.user)}"
    event = anna.send(room, "to be read")
    for client in (anna, bert):
        probe("typing", client, "PUT", f"{at}/typing/{quote(client.user)}", {"typing": True, "timeout": 1000})
    probe("receipts", bert, "POST", f"{at}/receipt/m.read/{quote(event)}", {})
    probe("receipts", anna, "POST", f"{at}/read_markers", {"m.fully_read": event, "m.read": event})
    probe("to_device", anna, "PUT", f"{C}/sendToDevice/org.example/{secrets.token_hex(8)}",
          {"messages": {bert.user: {"*": {"a": 1}}}})
    for place in (user, f"{user}/rooms/{quote(room)}"):
        probe("account_data", anna, "PUT", f"{place}/account_data/org.example", {"a": 1})
        probe("client_reader", anna, "GET", f"{place}/account_data/org.example")
    tags = f"{user}/rooms/{quote(room)}/tags"
    probe("account_data", anna, "PUT", f"{tags}/u.work", {"order": 0.1})
    probe("client_reader", anna, "GET", tags)
    probe("account_data", anna, "DELETE", f"{tags}/u.work")
    probe("presence", anna, "PUT", f"{C}/presence/{quote(anna.user)}/status", {"presence": "online"})
    probe("client_reader", anna, "GET", f"{C}/presence/{quote(anna.user)}/status")
    rules = f"{C}/pushrules/global/content/example"
    probe("push_rules", anna, "PUT", rules, {"pattern": "example", "actions": ["notify"]})
    probe("push_rules", anna, "PUT", f"{rules}/enabled", {"enabled": False})
    probe("push_rules", anna, "PUT", f"{rules}/actions", {"actions": ["notify"]})
    probe("client_reader", anna, "GET", rules)
    probe("client_reader", anna, "GET", f"{C}/pushrules/")
    probe("push_rules", anna, "DELETE", rules)


def key_requests(probe, anna, room):
    """Devices and their keys."""
    probe("device_lists", anna, "POST", f"{C}/keys/upload", {})
    probe("client_reader", anna, "POST", f"{C}/keys/query", {"device_keys": {anna.user: []}})
    probe("client_reader", anna, "POST", f"{C}/keys/claim", {"one_time_keys": {}})
    version = probe("client_reader", anna, "POST", f"{C}/room_keys/version",
                    {"algorithm": "m.megolm_backup.v1", "auth_data": {}})["version"]
    # A session id is base64, in which "/" is common.
    keys = f"{C}/room_keys/keys/{quote(room)}/ab%2Fcd%2B?version={version}"
    probe("client_reader", anna, "PUT", keys,
          {"first_message_index": 1, "forwarded_count": 0, "is_verified": False, "session_data": {}})
    probe("client_reader", anna, "GET", keys)
    device, = probe("client_reader", anna, "GET", f"{C}/devices")["devices"]
    probe("device_lists", anna, "PUT", f"{C}/devices/{device['device_id']}", {"display_name": "a test"})
    since = anna.sync()["next_batch"]
    probe("client_reader", anna, "GET", f"{C}/keys/changes?from={since}&to={since}")
    number = probe("client_reader", anna, "POST", f"{C}/user/{quote(anna.user)}/filter", {})["filter_id"]
    probe("client_reader", anna, "GET", f"{C}/user/{quote(anna.user)}/filter/{number}")
    probe("client_reader", anna, "GET", f"{C}/notifications")


def sync_requests(probe, anna, bert, room):
    """Every way to learn what is new."""
    sliding = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
    lists = {"lists": {"all": {"ranges": [[0, 9]], "required_state": [], "timeline_limit": 1}}}
    for client in (anna, bert):
        since = probe("initial_synchrotron", client, "GET", f"{C}/sync?timeout=0")["next_batch"]
        probe("synchrotron", client, "GET", f"{C}/sync?timeout=0&since={since}")
        probe("initial_synchrotron", client, "GET", f"{C}/sync?timeout=0&since={since}&full_state=true")
        probe("initial_synchrotron", client, "GET", f"{C}/initialSync?limit=1")
        probe("initial_synchrotron", client, "GET", f"{C}/rooms/{quote(room)}/initialSync?limit=1")
        probe("synchrotron", client, "GET", f"{C}/events?from={since}&timeout=0")
        position = probe("sliding_sync", client, "POST", f"{sliding}?timeout=0", lists)["pos"]
        probe("sliding_sync", client, "POST", f"{sliding}?timeout=0&pos={quote(position)}", lists)


def media_requests(probe, here, anna):
    """Media, old paths and new."""
    media = "media_repository"
    kind = {"Content-Type": "image/png"}
    name = probe(media, anna, "POST", "/_matrix/media/v3/upload?filename=a.png", PICTURE,
                 headers=kind)["content_uri"].removeprefix("mxc://")
    probe(media, anna, "GET", f"/_matrix/client/v1/media/download/{name}")
    probe(media, anna, "GET", f"/_matrix/client/v1/media/download/{name}/other%2Fname.png")
    probe(media, anna, "GET", f"/_matrix/client/v1/media/thumbnail/{name}?width=32&height=32&method=crop")
    probe(media, anna, "GET", "/_matrix/client/v1/media/config")
    probe(media, anna, "GET", "/_matrix/media/v3/config")
    later = probe(media, anna, "POST", "/_matrix/media/v1/create", {})["content_uri"].removeprefix("mxc://")
    probe(media, anna, "PUT", f"/_matrix/media/v3/upload/{later}", PICTURE, headers=kind)


def federation_requests(probe, here, guest, anna, room):
    """What other homeservers ask, signed."""
    F = FEDERATION

    def ask(method, target, content=None):
        group = "federation_inbound" if f"{F}/v1/send/" in target else "federation_reader"
        headers = {"Authorization": guest.authorization(here.server_name, method, target, content)}
        return probe(group, here, method, target, content, headers=headers)

    guest.change_membership(ask, room, "join")
    event, event_id = guest.message(room, "hello from afar")
    target, content = guest.transaction([event], [guest.to_device(anna.user, 1)])
    equal("what became of the event", ask("PUT", target, content)["pdus"], {event_id: {}})
    last, at = quote(event_id), quote(room)
    # Synapse answers before it has taken the event in.
    until("the event arrives", lambda: anna.request("GET", f"{C}/rooms/{at}/event/{last}").status == 200)
    ask("GET", f"{F}/v1/event/{last}")
    ask("GET", f"{F}/v1/state/{at}?event_id={last}")
    ask("GET", f"{F}/v1/state_ids/{at}?event_id={last}")
    ask("GET", f"{F}/v1/event_auth/{at}/{last}")
    ask("GET", f"{F}/v1/backfill/{at}?v={last}&limit=5")
    ask("POST", f"{F}/v1/get_missing_events/{at}",
        {"earliest_events": [], "latest_events": [event_id], "limit": 5, "min_depth": 0})
    ask("GET", f"{F}/v1/timestamp_to_event/{at}?ts=0&dir=f")
    ask("GET", f"{F}/v1/hierarchy/{at}")
    ask("GET", f"{F}/v1/query/profile?user_id={quote(anna.user)}")
    ask("GET", f"{F}/v1/user/devices/{quote(anna.user)}")
    ask("POST", f"{F}/v1/user/keys/query", {"device_keys": {anna.user: []}})
    ask("POST", f"{F}/v1/user/keys/claim", {"one_time_keys": {}})
    ask("GET", f"{F}/v1/publicRooms?limit=3")
    ask("POST", f"{F}/v1/publicRooms", {"limit": 3})
    guest.change_membership(ask, room, "leave")
    probe("federation_reader", here, "POST", "/_matrix/key/v2/query",
          {"server_keys": {here.server_name: {}}})


def another_synapse_joins(deployment, anna, room):
    """What a real homeserver asks on its own lands rightly too, and all of its transactions on one worker."""
    bert = deployment.there.logged_in(f"bert-{secrets.token_hex(4)}", "secret")
    before = {one for requests in deployment.requests("Synapse/").values() for one in requests}
    bert.join(room, deployment.here.server_name)
    for number in range(5):
        event = bert.send(room, f"hello from another homeserver {number}")
        target = f"{C}/rooms/{quote(room)}/event/{quote(event)}"
        until("its event arrives", lambda: anna.request("GET", target).status == 200)
    asked = {one for requests in deployment.requests("Synapse/").values() for one in requests
             if one[3].startswith(("/_matrix/federation/", "/_matrix/key/"))} - before
    places = {name for name, *_ in asked}
    assert places <= deployment.members_of("federation_reader"), f"the other homeserver was answered by {places}"
    senders = {name for name, _, _, target in asked if target.startswith(f"{FEDERATION}/v1/send/")}
    equal("number of workers that got its transactions", len(senders), 1)
    equal("failed requests of it", [one for one in asked if one[1] not in (200, 403, 404)], [])
    print(f"{len(asked)} requests of another homeserver")


def a_wrong_worker_is_noticed(deployment):
    """The scenario above can fail: what Synapse answers when a request does go to another process."""
    anna, bert = (deployment.here.logged_in(f"{name}-{secrets.token_hex(4)}", "secret") for name in ("anna", "bert"))
    room = anna.create_room()
    event, at = anna.send(room, "to be read"), f"{C}/rooms/{quote(room)}"
    rule = {"pattern": "example", "actions": ["notify"]}
    wrong = (
        ("generic1", "PUT", f"{at}/typing/{quote(anna.user)}", {"typing": True, "timeout": 1000}, 500),
        ("main", "PUT", f"{at}/typing/{quote(anna.user)}", {"typing": True, "timeout": 1000}, 500),
        ("sync1", "POST", f"{at}/receipt/m.read/{quote(event)}", {}, 500),
        ("generic2", "PUT", f"{C}/sendToDevice/org.example/1", {"messages": {bert.user: {"*": {}}}}, 500),
        ("main", "PUT", f"{C}/pushrules/global/content/example", rule, 500),
        ("main", "GET", "/_matrix/client/v1/media/config", None, 404),
        ("generic1", "GET", f"{C}/pushers", None, 404),
        ("stream1", "POST", f"{C}/logout", {}, 404),
    )
    found = [deployment.directly(name, method, target, anna.token, body).status
             for name, method, target, body, _ in wrong]
    equal("statuses from wrong processes", found, [status for *_, status in wrong])


USERS, SYNCS = 20, 50


def users_and_rooms_keep_their_worker(deployment):
    """Also over a restart of Vestibule, in both spellings of a room id, and for all devices of a user."""
    site, tag = deployment.here, secrets.token_hex(4)
    # Fewer at once than a worker may always have in progress: nobody is to be moved for the load.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        users = list(pool.map(lambda number: two_devices(site, f"user-{number}-{tag}"), range(USERS)))
        rooms = [users[0][0].create_room(room_version=version) for version in ("11", "12") for _ in range(8)]
        for phase in ("before", "after"):
            list(pool.map(lambda devices: sync_often(devices, phase, tag), users))
            list(pool.map(lambda room: read_in_all_spellings(users[0][0], room, tag), rooms))
            if phase == "before":
                restart_vestibule(deployment)
    whole = (USERS * SYNCS * 2, len(rooms) * 2 * 2)

    def arrived():
        found = [deployment.requests(f"{kind}-{tag}") for kind in ("user", "room")]
        return all(sum(map(len, one.values())) >= count for one, count in zip(found, whole)) and found

    logged = until("all are logged", arrived)
    for kind, group, by_key in zip(("user", "room"), ("synchrotron", "client_reader"), logged):
        places = {key: {name for name, *_ in requests} for key, requests in by_key.items()}
        strayed = {key: names for key, names in places.items() if len(names) != 1}
        equal(f"{kind}s that changed their worker", strayed, {})
        equal(f"workers that got a {kind}", set().union(*places.values()), deployment.members_of(group))
        print(f"{sum(map(len, by_key.values()))} requests of {len(places)} {kind}s:",
              dict(collections.Counter(name for (name,) in places.values())))


def two_devices(site, localpart):
    first = site.logged_in(localpart, "secret")
    login = {"type": "m.login.password", "password": "secret",
             "identifier": {"type": "m.id.user", "user": first.user}}
    token = site.expect("POST", f"{C}/login", login)["access_token"]
    return [first, Client(site.host, site.port, site.authority, token, first.user)]


def sync_often(devices, phase, tag):
    """Syncs of both devices, each on a connection of its own: the first one from nothing."""
    agent = {"User-Agent": f"user-{tag}-{devices[0].user}"}
    kept, since = [Kept(device) for device in devices], [None, None]
    for number in range(SYNCS):
        which = number % 2
        query = f"&since={since[which]}" if since[which] else ""
        answer = kept[which].expect("GET", f"{C}/sync?timeout=0&set_presence=offline{query}", headers=agent)
        since[which] = answer["next_batch"]


def read_in_all_spellings(client, room, tag):
    """Asks about the room as it is, and encoded; the agent names it."""
    for spelling in (room, quote(room)):
        agent = {"User-Agent": f"room-{tag}-{room}"}
        client.expect("GET", f"{C}/rooms/{spelling}/messages?dir=b&limit=1", headers=agent)


def restart_vestibule(deployment):
    name = f"Vestibule of {deployment.here.server_name}"
    deployment.ask("stop", name)
    deployment.ask("resume", name)
    until("Vestibule answers again", lambda: answers(deployment.here))


def answers(site):
    try:
        return site.request("GET", "/_matrix/client/versions").status == 200
    except OSError:
        return False


def too_late(*_):
    raise Failed(f"not done after {LONGEST} s")


def main():
    deployment, scenario = Deployment(sys.argv[1]), globals()[sys.argv[2]]
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(LONGEST)
    try:
        scenario(deployment)
    except Exception as failure:
        if not isinstance(failure, Failed):
            traceback.print_exc(file=sys.stdout)
        print(f"{sys.argv[2]}: {failure}")
        (deployment.folder / "failed").touch()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
