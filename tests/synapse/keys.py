"""The keys of other servers as a Vestibule has them through Synapse, with `signatures = "enforce"`."""

import http.client
import subprocess
import time

import signedjson.key
import signedjson.sign
from private_federation import Failed, free_port, quote
from stranger import Stranger

HOUR = 3_600_000


class Publisher(Stranger):
    """A stranger whose keys change: `key` signs, `old` are those before it, `valid` is for how many milliseconds."""

    def __init__(self, folder, valid=HOUR):
        super().__init__(folder)
        self.old, self.valid, self.asked = [], valid, 0

    def rotate(self, version):
        self.old.append(self.key)
        self.key = signedjson.key.generate_signing_key(version)

    def published_key(self):
        self.asked += 1
        now = int(time.time() * 1000)

        def entry(key, **more):
            public = signedjson.key.encode_verify_key_base64(signedjson.key.get_verify_key(key))
            return {f"{key.alg}:{key.version}": {"key": public, **more}}

        old = {name: key for one in self.old for name, key in entry(one, expired_ts=now - 1000).items()}
        return signedjson.sign.sign_json({
            "server_name": self.server_name, "valid_until_ts": now + self.valid,
            "verify_keys": entry(self.key), "old_verify_keys": old,
        }, self.server_name, self.key)


class Door:
    """A Vestibule of its own before the Synapse of `site`, without TLS, that lets only verified requests pass."""

    def __init__(self, world, site):
        self.site, self.port = site, free_port()
        self.folder = world.folder / f"door-{self.port}"
        self.folder.mkdir()
        configuration = self.folder / "vestibule.toml"
        configuration.write_text(
            f'server_name = "{site.server_name}"\nhomeserver = "{site.upstream}"\nself_check = false\n'
            f'tls = "internal"\nstate_folder = "{self.folder}"\n'
            f'\n[[listeners]]\naddress = "127.0.0.1:{self.port}"\ntls = false\nprofile = "both"\n'
            f'\n[admin]\naddress = "off"\n\n[timeouts]\ndrain = "1s"\n\n[federation]\nsignatures = "enforce"\n'
        )
        self.command = [site.vestibule, "run", "--config", str(configuration)]

    def __enter__(self):
        with open(self.folder / "vestibule.log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                return self if self.status("/_matrix/federation/v1/version") == 200 else self.fail("answers")
            except OSError:
                if time.monotonic() > deadline:
                    self.fail("listens")
                time.sleep(0.1)

    def fail(self, what):
        self.__exit__()
        raise Failed(f"it is not so that the door {what}", self.folder / "vestibule.log")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def status(self, target, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", target, headers={"Host": self.site.server_name, **headers})
        status = connection.getresponse().status
        connection.close()
        return status

    def asked_by(self, stranger, key=None):
        """What a request of the stranger, signed with its key or another, is answered: 404 comes from Synapse."""
        target = f"/_matrix/federation/v1/query/profile?user_id={quote('@nobody:' + self.site.server_name)}"
        stranger.key, own = key or stranger.key, stranger.key
        authorization = stranger.authorization(self.site.server_name, "GET", target)
        stranger.key = own
        return self.status(target, Authorization=authorization)


def keys_of_strangers_are_had_through_synapse(world):
    def expect(what, found, wanted):
        if found != wanted:
            raise Failed(f"{what}: expected {wanted}, got {found}", door.folder / "vestibule.log")

    certificate = world.folder / "stranger"
    with Door(world, world.near) as door, Publisher(certificate) as stranger, Publisher(certificate, -HOUR) as expired:
        for _ in range(5):
            expect("signed by the server", door.asked_by(stranger), 404)
        expect("how often it was asked for its keys", stranger.asked, 1)
        forger = signedjson.key.generate_signing_key("stranger")
        expect("signed by somebody else with a key of the same id", door.asked_by(stranger, forger), 401)
        first = stranger.key
        stranger.rotate("second")
        expect("signed with the new key", door.asked_by(stranger), 404)
        expect("how often it was asked for its keys", stranger.asked, 2)
        began = time.monotonic()
        expect("signed with the old key", door.asked_by(stranger, first), 401)
        for number in range(20):
            made_up = signedjson.key.generate_signing_key(f"made_up_{number}")
            expect(f"signed with {made_up.version}", door.asked_by(stranger, made_up), 401)
        # Once for all of them, and after pauses of 15 seconds and more.
        most = 3 + int((time.monotonic() - began) / 15)
        expect("whether it was asked for them once", 3 <= stranger.asked <= most, True)
        expect("signed with the new key", door.asked_by(stranger), 404)
        for _ in range(5):
            expect("signed with a key that has expired", door.asked_by(expired), 401)
        expect("how often that server was asked", expired.asked, 1)
