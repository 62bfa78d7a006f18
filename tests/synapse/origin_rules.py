"""Rules by origin before a real Synapse: each scenario has a Vestibule of its own before the Synapse of `near`."""

import http.client
import itertools
import json
import pathlib
import secrets
import ssl
import subprocess
import tempfile
import time

import signedjson.key
import signedjson.sign
from private_federation import Failed, free_port, quote

PROFILE = "/_matrix/federation/v1/query/profile"


class Guard:
    """A Vestibule before a Synapse that runs; to be entered. `rules` is what its configuration has of [federation]."""

    def __init__(self, site, rules):
        self.site, self.rules = site, rules
        self.port = free_port()

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="guard-")
        folder = pathlib.Path(self.folder.name)
        self.authority, self.log = folder / "ca.pem", folder / "log"
        (folder / "vestibule.toml").write_text(
            f'server_name = "{self.site.server_name}"\nhomeserver = "{self.site.upstream}"\ntls = "internal"\n'
            f'state_folder = "{folder}"\nself_check = false\nadmin.address = "off"\ntimeouts.drain = "1s"\n'
            f'listeners = [{{ address = "127.0.0.1:{self.port}", tls = true, profile = "both" }}]\n{self.rules}'
        )
        command = [self.site.vestibule, "run", "--config", str(folder / "vestibule.toml")]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask("GET", "/_matrix/federation/v1/version", [])
                return self
            except (OSError, http.client.HTTPException) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = self.log.read_text()
                    self.__exit__()
                    raise Failed(f"the guard does not answer: {error}\n{said}") from error
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, method, target, authorization, body=None):
        """The status and the body of one request with these Authorization headers, byte for byte."""
        host = self.site.server_name.partition(":")[0]
        context = ssl.create_default_context(cafile=self.authority)
        connection = Tls(host, self.port, context)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for value in authorization:
                connection.putheader("Authorization", value)
            if body is not None:
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Tls(http.client.HTTPSConnection):
    """TLS to loopback under any name."""

    def __init__(self, host, port, context):
        super().__init__(host, port, timeout=60, context=context)

    def connect(self):
        host, self.host = self.host, "127.0.0.1"
        http.client.HTTPConnection.connect(self)
        self.host = host
        self.sock = self._context.wrap_socket(self.sock, server_hostname=host)


def target_of(anna):
    """A target that no other request has, and what is to be looked for in Synapse's log."""
    mark = f"mark{secrets.token_hex(8)}"
    return f"{PROFILE}?user_id={quote(anna.user)}&{mark}=1", mark


def is_logged(site, mark):
    return mark in pathlib.Path(site.synapse_log).read_text(errors="replace")


def pass_by(guard, until):
    """Waits until Synapse has logged a request that no rule is about: what came before is logged as well by then."""
    mark = f"mark{secrets.token_hex(8)}"
    guard.ask("GET", f"/_matrix/client/v3/account/whoami?{mark}=1", ["Bearer nobody"])
    until("Synapse logs what comes last", lambda: is_logged(guard.site, mark))


def denied_never_reaches_synapse(world, stranger, until, equal):
    """Who is denied does not stand in Synapse's log; who is not does."""
    anna, _ = world.users()
    name = world.near.server_name
    rule = '[[federation.rules]]\nname = "stranger"\naction = "deny"\norigins = [ORIGIN]\n'
    with Guard(world.near, rule.replace("ORIGIN", '"*.stranger.test"')) as guard:
        target, mark = target_of(anna)
        status, body = guard.ask("GET", target, [stranger.authorization(name, "GET", target)])
        equal(f"the status for a stranger whom no rule names ({body})", status, 200)
        until("Synapse logs the request", lambda: is_logged(world.near, mark))
    with Guard(world.near, rule.replace("ORIGIN", json.dumps(stranger.server_name))) as guard:
        marks = []
        for _ in range(20):
            target, mark = target_of(anna)
            marks.append(mark)
            status, body = guard.ask("GET", target, [stranger.authorization(name, "GET", target)])
            equal("the status for who is denied", (status, json.loads(body)["errcode"]), (403, "M_FORBIDDEN"))
        pass_by(guard, until)
        equal("requests of who is denied that Synapse has seen",
              [mark for mark in marks if is_logged(world.near, mark)], [])


def policy_room_takes_effect(world, stranger, until, equal):
    """A ban in a room of the real Synapse counts, until it is lifted or redacted."""
    anna, _ = world.users()
    name = world.near.server_name
    room = anna.create_room(preset="private_chat")
    with tempfile.TemporaryDirectory() as folder:
        token = pathlib.Path(folder, "token")
        token.write_text(anna.token)
        rules = (
            '[[federation.rules]]\nname = "banned"\naction = "deny"\nlists = ["room"]\n'
            f'[[federation.lists]]\nname = "room"\nroom = "{room}"\naccess_token_file = "{token}"\nrefresh = "1s"\n'
        )
        state = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.policy.rule.server/stranger"
        ban = {"entity": stranger.server_name, "recommendation": "m.ban", "reason": "a test"}
        with Guard(world.near, rules) as guard:
            def status():
                target, _ = target_of(anna)
                return guard.ask("GET", target, [stranger.authorization(name, "GET", target)])[0]

            equal("the status before there is a ban", status(), 200)
            anna.expect("PUT", state, ban)
            until("the ban counts", lambda: status() == 403)
            anna.expect("PUT", state, {})
            until("the lifted ban counts no more", lambda: status() == 200)
            event = anna.expect("PUT", state, {**ban, "entity": f"{stranger.server_name[:-1]}?"})["event_id"]
            until("a ban by a glob counts", lambda: status() == 403)
            anna.expect("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/redact/{quote(event)}/{secrets.token_hex(4)}", {})
            until("the redacted ban counts no more", lambda: status() == 200)


def spellings(friend, stranger, destination, target):
    """Authorization headers, in lists, by which a stranger could try to pass for a friend: whatever name the signature
    is over, the stranger has made it."""
    def signed(origin):
        request = {"method": "GET", "uri": target, "origin": origin, "destination": destination}
        (signature,) = signedjson.sign.sign_json(request, origin, stranger.key)["signatures"][origin].values()
        return signature

    key = f"{stranger.key.alg}:{stranger.key.version}"
    evil = stranger.server_name
    whole = 'X-Matrix origin="{}",destination="{}",key="{}",sig="{}"'
    mine, forged = signed(evil), signed(friend)
    for signature in (mine, forged):
        rest = f'destination="{destination}",key="{key}",sig="{signature}"'
        yield [whole.format(friend, destination, key, signature)]
        yield [whole.format(friend.upper(), destination, key, signature)]
        # Twice, in both orders, in every case and quoting of the name.
        names = ("origin", "Origin", "ORIGIN", " origin", "origin\t", "\torigin", '"origin"', "origi\\n")
        quotes = ('"{}"', "{}", '"{}', '{}"', "'{}'", '"\\{}"')
        for name, one, other in itertools.product(names, quotes, quotes[:3]):
            yield [f"X-Matrix {name}={one.format(friend)},{rest},origin={other.format(evil)}"]
            yield [f"X-Matrix origin={other.format(evil)},{rest},{name}={one.format(friend)}"]
        # In several headers, and hidden in another parameter.
        single = whole.format(friend, destination, key, signature), whole.format(evil, destination, key, signature)
        for first, second in (single, single[::-1]):
            yield [first, second]
            yield [f"{first},{second}"]
            yield [f"{first}, {second}"]
            yield [first, f"Bearer {secrets.token_hex(8)}", second]
            yield [f"x-matrix {first[9:]}", second]
            yield [first.replace("X-Matrix ", "X-Matrix\t"), second]
            yield [first.replace("X-Matrix ", "X-Matrix  "), second]
            yield [f"X-Matrix-{first[9:]}", second]
        for hidden in ('x="a,origin={},b"', "x=a\\,origin={}", 'x="\\",origin={},"', "origin={}\\,x", "origin={} ", "origin= {}"):
            yield [f'X-Matrix {hidden.format(friend)},origin="{evil}",{rest}']
            yield [f'X-Matrix origin="{evil}",{rest},{hidden.format(friend)}']
        for name in (f"{friend}.", f"{friend}:8448", f"{friend}:", f"{friend}\\", f"{friend}/", f"{friend}@{evil}",
                     f"{evil}@{friend}", f"{friend}%2e{evil}", f"{friend},{evil}", f"{friend};{evil}"):
            yield [f'X-Matrix origin="{name}",{rest}']


def no_spelling_passes_an_allow_list(world, stranger, until, equal):
    """Only who is on the list passes, and proves it; Synapse sees nothing of who spells the header anyhow."""
    anna, _ = world.users()
    name, friend = world.near.server_name, world.far.server_name
    rules = (
        'federation = { signatures = "enforce", strangers = "deny", rules = '
        '[{ name = "friends", action = "allow", origins = [ORIGINS] }] }\n'
    )
    with Guard(world.near, rules.replace("ORIGINS", json.dumps(stranger.server_name))) as guard:
        target, mark = target_of(anna)
        status, body = guard.ask("GET", target, [stranger.authorization(name, "GET", target)])
        equal(f"the status for who is on the list ({body})", status, 200)
    with Guard(world.near, rules.replace("ORIGINS", json.dumps(friend))) as guard:
        target, _ = target_of(anna)
        tried, believed = 0, 0
        for headers in spellings(friend, stranger, name, target):
            # The signature is over the target, so all share it.
            tried += 1
            status, body = guard.ask("GET", target, headers)
            if status not in (400, 401, 403):
                raise Failed(f"{headers} was answered with {status} {body}")
        if tried < 200:
            raise Failed(f"only {tried} spellings")
        mark = target.rpartition("&")[2].partition("=")[0]
        pass_by(guard, until)
        if is_logged(world.near, mark):
            raise Failed("Synapse has seen a request of who is not on the list")
    # The spellings are worth something: Synapse itself takes some for the stranger that it knows.
    with Guard(world.near, "") as guard:
        for headers in spellings(friend, stranger, name, target):
            believed += guard.ask("GET", target, headers)[0] == 200
    if believed < 10:
        raise Failed(f"Synapse itself believes only {believed} of {tried} spellings")
