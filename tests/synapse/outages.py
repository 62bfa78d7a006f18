"""Scenarios in which processes of Synapse are killed under traffic; nothing of them may be seen over federation.

What is counted: every answer, by kind of traffic and status. What is proved afterwards, from what Synapse then holds:
each message that was answered with 200 is there once, each that was not is there at most once, nobody was told of
anything twice, and the other homeserver never noticed.
"""

import collections
import json
import secrets
import sqlite3
import threading
import time

import psycopg2
from private_federation import Failed, quote
from deployed import Kept
from guest import FEDERATION, Guest
from scenarios import equal, until

C = "/_matrix/client/v3"
# Enough that no timeline of a sync has gaps.
FILTER = quote(json.dumps({"room": {"timeline": {"limit": 1000}}, "presence": {"types": []}}))
# What a request may get that must not be sent twice. 502: the process died with it.
UNAVAILABLE = (502, 503, 504)


class Ledger:
    """What was answered to whom, by kind of traffic."""

    def __init__(self):
        self.lock, self.answers, self.wrong = threading.Lock(), collections.defaultdict(collections.Counter), []
        self.slowest = collections.defaultdict(float)

    def note(self, kind, status, seconds):
        with self.lock:
            self.answers[kind][status] += 1
            self.slowest[kind] = max(self.slowest[kind], seconds)

    def note_wrong(self, what):
        with self.lock:
            self.wrong.append(what)

    def __str__(self):
        return "\n".join(f"{kind}: {dict(counts)}, the slowest after {self.slowest[kind]:.1f} s"
                         for kind, counts in sorted(self.answers.items()))


class Traffic:
    """Threads of clients and homeservers that do not stop for an outage."""

    def __init__(self, deployment, guest):
        self.deployment, self.guest, self.ledger = deployment, guest, Ledger()
        self.stopping, self.threads = threading.Event(), []
        tail = secrets.token_hex(4)
        site, self.tag = deployment.here, tail
        self.users = [site.logged_in(f"user-{number}-{tail}", "secret") for number in range(4)]
        self.anna = self.users[0]
        self.rooms = {user.user: user.create_room(room_version="11") for user in self.users}
        # Rooms that both other homeservers are in.
        self.shared = self.anna.create_room(room_version="11")
        self.bert = deployment.there.logged_in(f"bert-{tail}", "secret")
        self.bert.join(self.shared, site.server_name)
        guest.change_membership(guest.expect, self.rooms[self.anna.user], "join")
        self.known = guest.rooms[self.rooms[self.anna.user]]["last"]
        self.counts = collections.Counter()
        # What was sent, by room: text to status (200 or what came in its place).
        self.sent = collections.defaultdict(dict)
        self.made, self.heard, self.numbers = {}, collections.defaultdict(list), []

    def __enter__(self):
        guest_site = Kept(self.deployment.here)
        guest_site.server_name = self.deployment.here.server_name
        reader_site = Kept(self.deployment.here)
        reader_site.server_name = guest_site.server_name
        self.loops = [(self.transactions, guest_site), (self.reads, reader_site), (self.remote_messages, Kept(self.bert)),
                 (self.new_rooms, Kept(self.anna)), (self.posts, Kept(self.users[1]))]
        for user in self.users:
            self.loops += [(self.syncs, Kept(user)), (self.messages, Kept(user))]
        self.served = [0] * len(self.loops)
        for number, (function, client) in enumerate(self.loops):
            client.number = number
            thread = threading.Thread(target=self.forever, args=(function, client), daemon=True)
            self.threads.append(thread)
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()

    def stop(self, seconds=120):
        """Lets what is under way end."""
        self.stopping.set()
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        alive = sum(thread.is_alive() for thread in self.threads)
        if alive:
            self.ledger.note_wrong(f"{alive} clients still wait {seconds} s after the end")
        self.threads.clear()

    def wait_for_answers(self):
        """Comes back when everybody has been answered with 200 twice more: the first request may have waited long."""
        before = list(self.served)
        until("everybody is answered", lambda: all(
            now >= then + 2 for now, then, (function, _) in zip(self.served, before, self.loops)
            # Rooms take long to make.
            if function != self.new_rooms), 60)

    def forever(self, function, client):
        """Repeats the function, which is a generator of pauses, until the end."""
        try:
            for pause in function(client):
                if self.stopping.wait(pause):
                    return
        except Exception as failure:
            self.ledger.note_wrong(f"{function.__name__}: {type(failure).__name__} {failure}")

    def ask(self, kind, client, method, target, body=None, headers=(), always=False):
        """One request. Wrong is what is neither 200 nor, unless `always` that, said to be unavailable in Matrix JSON."""
        began = time.monotonic()
        try:
            answer = client.request(method, target, body, headers)
        except Exception as failure:
            took = time.monotonic() - began
            self.ledger.note(kind, "none", took)
            self.ledger.note_wrong(f"{kind}: no answer to {method} {target} after {took:.1f} s: {failure!r}")
            return None
        took = time.monotonic() - began
        self.ledger.note(kind, answer.status, took)
        if answer.status == 200:
            if self.threads:
                self.served[client.number] += 1
            return answer
        readable = (answer.status in UNAVAILABLE and b'"errcode"' in answer.body
                    and answer.headers["Access-Control-Allow-Origin"] == "*")
        if always or not readable:
            self.ledger.note_wrong(f"{kind}: {method} {target} after {took:.1f} s: {answer}")
        return answer

    def next_number(self, kind):
        self.counts[kind] += 1
        return self.counts[kind]

    def syncs(self, client):
        """Long polls; what they tell of the user's own room is kept."""
        room, since = self.rooms[client.user], None
        while True:
            query = f"&since={since}" if since else ""
            target = f"{C}/sync?timeout=3000&set_presence=offline&filter={FILTER}{query}"
            answer = self.ask("sync", client, "GET", target, always=True)
            if answer is None or answer.status != 200:
                yield 0.3
                continue
            told = answer.json
            joined = told.get("rooms", {}).get("join", {})
            # Nobody else's rooms: createRoom adds to anna's only.
            strange = joined.keys() & (set(self.rooms.values()) - {room})
            if strange:
                self.ledger.note_wrong(f"sync of {client.user} tells of {strange}")
            for event in joined.get(room, {}).get("timeline", {}).get("events", []):
                if body := event.get("content", {}).get("body"):
                    self.heard[client.user].append(body)
            if client.user == self.anna.user:
                self.numbers += [event["content"]["number"] for event in told.get("to_device", {}).get("events", [])
                                 if event["type"] == "org.example.number"]
            since = told["next_batch"]
            yield 0

    def messages(self, client):
        """Messages as clients send them: again with the same transaction id until they are answered."""
        room, number = self.rooms[client.user], 0
        while True:
            number += 1
            text = f"message {number} of {client.user}"
            target = f"{C}/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
            self.sent[room][text] = "unanswered"
            message = {"msgtype": "m.text", "body": text}
            while (answer := self.ask("send", client, "PUT", target, message, always=True)) is None \
                    or answer.status != 200:
                yield 0.3
            self.sent[room][text] = 200
            yield 0.2

    def posts(self, client):
        """Messages without a transaction id, by which Synapse could tell that one comes twice; never repeated."""
        room, number = self.rooms[client.user], 0
        while True:
            number += 1
            text = f"post {number} of {client.user}"
            answer = self.ask("post", client, "POST", f"{C}/rooms/{quote(room)}/send/m.room.message",
                              {"msgtype": "m.text", "body": text}, {"User-Agent": f"post-{self.tag}-{number}"})
            self.sent[room][text] = answer and answer.status
            yield 0.1

    def new_rooms(self, client):
        """Rooms, which are made of many events; never repeated."""
        number = 0
        while True:
            number += 1
            name = f"room {number}"
            answer = self.ask("createRoom", client, "POST", f"{C}/createRoom", {"name": name})
            self.made[name] = answer and answer.status
            yield 1

    def transactions(self, client):
        """Transactions of the guest: a message and a to-device message each."""
        room = self.rooms[self.anna.user]
        while True:
            number = self.next_number("transaction")
            text = f"transaction {number}"
            event, event_id = self.guest.message(room, text)
            target, content = self.guest.transaction([event], [self.guest.to_device(self.anna.user, number)])
            # A failure is counted, and the transaction sent again as homeservers do: what follows builds on its event.
            while (answer := self.ask_signed("federation send", client, "PUT", target, content)) is None \
                    or answer.status != 200:
                yield 0.5
            self.sent[room][text] = 200
            if answer.json["pdus"] != {event_id: {}}:
                self.ledger.note_wrong(f"federation send: {answer}")
            yield 0.2

    def reads(self, client):
        """What the guest asks of a room, of the kinds that other homeservers wait long enough for."""
        at, last = quote(self.rooms[self.anna.user]), quote(self.known)
        while True:
            for target in (f"/v1/state_ids/{at}?event_id={last}", f"/v1/event/{last}",
                           f"/v1/backfill/{at}?v={last}&limit=2", f"/v1/event_auth/{at}/{last}",
                           f"/v1/query/profile?user_id={quote(self.anna.user)}"):
                self.ask_signed("federation read", client, "GET", FEDERATION + target)
                yield 0.2

    def ask_signed(self, kind, client, method, target, content=None):
        headers = {"Authorization": self.guest.authorization(client.server_name, method, target, content)}
        return self.ask(kind, client, method, target, content, headers, always=True)

    def remote_messages(self, client):
        """Messages of the other Synapse's user, which federate through Vestibule."""
        while True:
            text = f"remote {self.next_number('remote')}"
            target = f"{C}/rooms/{quote(self.shared)}/send/m.room.message/{secrets.token_hex(8)}"
            answer = self.ask("remote user", client, "PUT", target, {"msgtype": "m.text", "body": text}, always=True)
            self.sent[self.shared][text] = answer and answer.status
            yield 0.3

    def verify(self):
        """What Synapse holds is what was answered."""
        self.stop()
        forget_locks_of_the_dead(self.deployment)
        ledger = self.ledger
        # One more of each after the last outage, from which Synapse goes on with what it had taken in before.
        for function, client in ((self.transactions, self.guest.site), (self.remote_messages, self.bert)):
            next(function(client))
        for room, texts in self.sent.items():
            client = self.anna if room == self.shared else next(u for u in self.users if self.rooms[u.user] == room)

            def held():
                return collections.Counter(messages_of(client, room))

            answered = {text for text, status in texts.items() if status == 200}
            try:
                until(f"all of {len(answered)} messages are in {room}", lambda: answered <= held().keys(), 60)
            except Failed as failure:
                ledger.note_wrong(f"{failure}: {sorted(answered - held().keys())[:5]} are not")
            twice = {text: count for text, count in held().items() if count > 1}
            if twice:
                ledger.note_wrong(f"processed more than once in {room}: {twice}")
        for user in self.users:
            self.verify_what_was_told(user)
        self.verify_rooms()
        if ledger.wrong:
            raise Failed(f"{ledger}\n{len(ledger.wrong)} wrong:\n" + "\n".join(ledger.wrong[:30]))
        print(ledger)

    def verify_what_was_told(self, user):
        """No sync repeated or left out a message of the user's room up to the last that it told of."""
        heard = self.heard[user.user]
        twice = [text for text, count in collections.Counter(heard).items() if count > 1]
        if twice:
            self.ledger.note_wrong(f"told more than once to {user.user}: {twice[:5]}")
        own = [text for text in heard if text.startswith("message ")]
        if own != [f"message {number + 1} of {user.user}" for number in range(len(own))] or not own:
            self.ledger.note_wrong(f"told to {user.user} not in order: {own}")
        if user is self.anna and len(self.numbers) != len(set(self.numbers)):
            self.ledger.note_wrong(f"to-device messages more than once: {self.numbers}")

    def verify_rooms(self):
        names = collections.Counter()
        for room in self.anna.expect("GET", f"{C}/joined_rooms")["joined_rooms"]:
            answer = self.anna.request("GET", f"{C}/rooms/{quote(room)}/state/m.room.name")
            if answer.status == 200:
                names[answer.json["name"]] += 1
        for name, status in self.made.items():
            if names[name] > 1 or (status == 200 and names[name] != 1):
                self.ledger.note_wrong(f"{name} was answered {status} and is there {names[name]} times")


def messages_of(client, room):
    """The bodies of all messages of the room."""
    found, query = [], ""
    while True:
        answer = client.expect("GET", f"{C}/rooms/{quote(room)}/messages?dir=b&limit=1000{query}")
        found += [event["content"]["body"] for event in answer["chunk"] if "body" in event.get("content", {})]
        if "end" not in answer or not answer["chunk"]:
            return found
        query = f"&from={quote(answer['end'])}"


def forget_locks_of_the_dead(deployment):
    """A killed process keeps Synapse's locks for two minutes. Those that stay while nobody asks anything are its."""
    with psycopg2.connect(host=deployment.database, user="synapse", dbname="postgres") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT token FROM worker_locks")
            before = [token for (token,) in cursor.fetchall()]
            connection.commit()
            time.sleep(2)
            cursor.execute("DELETE FROM worker_locks WHERE token = ANY(%s)", (before,))


class Watch:
    """Looks at the other homeserver's table of destinations all the time."""

    def __init__(self, deployment):
        self.deployment, self.found, self.looked = deployment, [], 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def run(self):
        while not self.stopping.wait(0.2):
            row = self.look()
            if any(row):
                self.found.append(row)

    def look(self):
        """failure_ts, retry_last_ts and retry_interval of this deployment; nulls and zeros while all is well."""
        connection = sqlite3.connect(f"file:{self.deployment.remote_database}?mode=ro", uri=True, timeout=30)
        try:
            query = "SELECT failure_ts, retry_last_ts, retry_interval FROM destinations WHERE destination = ?"
            row = connection.execute(query, (self.deployment.here.server_name,)).fetchone()
        finally:
            connection.close()
        self.looked += row is not None
        return row or (None, None, None)

    def verify(self):
        equal("rows of `destinations` that say that it backed off", self.found, [])
        equal("the row of `destinations` in the end (failure_ts, retry_last_ts, retry_interval)",
              tuple(value or 0 for value in self.look()), (0, 0, 0))
        name = self.deployment.here.server_name
        said = [line for line in self.deployment.remote_log.read_text(errors="replace").splitlines()
                if f"Connection to {name} was unsuccessful" in line]
        equal("back-off in the log of the other homeserver", said, [])
        assert self.looked, "the other homeserver does not know this destination"
        print(f"{self.looked} looks at `destinations`: no back-off")


def restart(deployment, traffic, *names):
    """Kills the processes and starts them again, and comes back when everybody has been answered since."""
    deployment.ask("kill", *names)
    deployment.ask("resume", *names)
    deployment.wait_until_healthy(*names)
    traffic.wait_for_answers()


def an_outage_of_20_seconds_is_not_seen(deployment):
    with Guest(deployment.folder / "stranger", deployment.here) as guest:
        with Traffic(deployment, guest) as traffic, Watch(deployment) as watch:
            traffic.wait_for_answers()
            began = time.monotonic()
            deployment.ask("kill", *deployment.processes)
            time.sleep(17)
            deployment.ask("resume", *deployment.processes)
            deployment.wait_until_healthy(*deployment.processes)
            outage = time.monotonic() - began
            traffic.wait_for_answers()
            traffic.verify()
            watch.verify()
            print(f"nothing listened for {outage:.1f} s")


def a_worker_that_is_killed_ten_times_does_nothing_twice(deployment):
    with Guest(deployment.folder / "stranger", deployment.here) as guest:
        with Traffic(deployment, guest) as traffic, Watch(deployment) as watch:
            traffic.wait_for_answers()
            for _ in range(10):
                restart(deployment, traffic, "generic1")
            traffic.verify()
            watch.verify()


def ten_restarts_cause_no_back_off(deployment):
    with Guest(deployment.folder / "stranger", deployment.here) as guest:
        with Traffic(deployment, guest) as traffic, Watch(deployment) as watch:
            traffic.wait_for_answers()
            for _ in range(10):
                restart(deployment, traffic, *deployment.processes)
            traffic.verify()
            watch.verify()
