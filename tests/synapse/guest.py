"""A stranger that takes part in rooms: it joins, sends events and transactions, and asks what homeservers ask."""

import secrets
import time

from private_federation import Failed, quote
from stranger import Stranger
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict

FEDERATION = "/_matrix/federation"


class Guest(Stranger):
    """A stranger with a user and a homeserver that it speaks to, a `Client` that knows its server name."""

    def __init__(self, folder, site):
        super().__init__(folder)
        self.site, self.user, self.rooms = site, None, {}

    def __enter__(self):
        super().__enter__()
        self.user = f"@guest-{secrets.token_hex(4)}:{self.server_name}"
        return self

    def expect(self, method, target, content=None):
        """A signed request that must be answered with 200; returns the JSON."""
        headers = {"Authorization": self.authorization(self.site.server_name, method, target, content)}
        answer = self.site.request(method, target, content, headers)
        if answer.status != 200:
            raise Failed(f"{method} {target} signed by {self.server_name}: expected 200, got {answer}")
        return answer.json

    def sign_event(self, version, event):
        """The event with hashes and signature, and its id."""
        event = {**event, "origin_server_ts": int(time.time() * 1000)}
        for key in ("event_id", "hashes", "signatures", "unsigned", "origin"):
            event.pop(key, None)
        add_hashes_and_signatures(KNOWN_ROOM_VERSIONS[version], event, self.server_name, self.key)
        return event, make_event_from_dict(event, KNOWN_ROOM_VERSIONS[version]).event_id

    def change_membership(self, ask, room, kind):
        """`make_KIND` and `send_KIND`, for join or leave; `ask` is `expect` or has its shape."""
        versions = "&".join(f"ver={number}" for number in range(1, 13)) if kind == "join" else ""
        target = f"{FEDERATION}/v1/make_{kind}/{quote(room)}/{quote(self.user)}" + (versions and f"?{versions}")
        made = ask("GET", target)
        event, event_id = self.sign_event(made["room_version"], made["event"])
        answer = ask("PUT", f"{FEDERATION}/v2/send_{kind}/{quote(room)}/{quote(event_id)}", event)
        if kind == "join":
            types = {one["type"]: one for one in answer["state"]}
            needed = [types["m.room.power_levels"]] + ([types["m.room.create"]] if made["room_version"] != "12" else [])
            ids = [make_event_from_dict(one, KNOWN_ROOM_VERSIONS[made["room_version"]]).event_id for one in needed]
            self.rooms[room] = {"version": made["room_version"], "auth": [*ids, event_id], "last": event_id,
                                "depth": event["depth"]}

    def message(self, room, body):
        """A message for a transaction, which follows the last event that is known of the room; with its id."""
        known = self.rooms[room]
        known["depth"] += 1
        event, event_id = self.sign_event(known["version"], {
            "type": "m.room.message", "room_id": room, "sender": self.user, "depth": known["depth"],
            "content": {"msgtype": "m.text", "body": body}, "prev_events": [known["last"]],
            "auth_events": known["auth"],
        })
        known["last"] = event_id
        return event, event_id

    def transaction(self, pdus=(), edus=()):
        """Target and content of a transaction."""
        content = {"origin": self.server_name, "origin_server_ts": int(time.time() * 1000),
                   "pdus": list(pdus), "edus": list(edus)}
        return f"{FEDERATION}/v1/send/{secrets.token_hex(8)}", content

    def to_device(self, user, number):
        """An EDU that brings one to-device message to all devices of a user."""
        return {"edu_type": "m.direct_to_device", "content": {
            "sender": self.user, "type": "org.example.number", "message_id": secrets.token_hex(8),
            "messages": {user: {"*": {"number": number}}}}}

