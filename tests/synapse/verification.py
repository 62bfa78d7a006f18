"""The same signed requests for Synapse, and for a Vestibule before it that wants proof."""

import http.client
import json
import ssl

from private_federation import Failed
from signed_requests import Signer, case, cases
from stranger import Stranger

# A larger question about public rooms is refused whoever asks it.
MOST_ASKED = 16 * 1024
# Texts of a stranger in which two readers may find two senders: some are good enough for Synapse.
MAY_BE_UNCLEAR = ("header", "several headers")
# Targets that no client of HTTP should write are refused before anybody asks who sends them.
MAY_BE_REFUSED = ("target", "another target")


def requests_are_verified_exactly_where_synapse_accepts_them(world):
    with Stranger(world.folder / "stranger") as stranger:
        destination = world.near.server_name
        signer = Signer(stranger.server_name, stranger.key)
        asked = [one for one in cases(stranger.server_name, destination, stranger.key) if len(one["body"]) <= MOST_ASKED]
        asked += large(signer, destination)
        directly = http.client.HTTPConnection("127.0.0.1", world.near_synapse, timeout=60)
        context = ssl.create_default_context(cafile=world.near.authority)
        through = http.client.HTTPSConnection(world.near.host, world.near.port, timeout=60, context=context)
        faults, verified, refused = [], 0, 0
        for number, one in enumerate(asked):
            # Every other body comes in chunks, and without a type.
            accepted, answer = ask(directly, one, number % 2 == 1), ask(through, one, number % 2 == 1)
            verified += accepted == answer == "accepted"
            refused += answer != "accepted" != accepted
            is_excused = answer != "accepted" and one["name"].startswith(MAY_BE_UNCLEAR + MAY_BE_REFUSED)
            if (accepted == "accepted") != (answer == "accepted") and not is_excused:
                faults.append(f"{one['name']}: Synapse {accepted}, through Vestibule {answer}")
        if faults:
            raise Failed("\n".join(faults))
        if verified < 200 or refused < 150:
            raise Failed(f"only {verified} requests were verified, and {refused} refused")


def large(signer, destination):
    """Transactions of 3 MB, in canonical JSON."""
    for number, sent in enumerate(("a", "b")):
        target = f"/_matrix/federation/v1/send/large{number}"
        content = {"edus": [], "pdus": [], "x": "a" + "€" * 1_000_000}
        body = json.dumps({**content, "x": sent + "€" * 1_000_000}, ensure_ascii=False, separators=(",", ":")).encode()
        yield case(f"3 MB, {number}", "PUT", target, signer.headers(destination, "PUT", target, content), body)


def ask(connection, one, is_chunked):
    """`accepted`, or how it was refused for its signature, or for the body that it is made of."""
    try:
        connection.putrequest(one["method"], one["target"])
        for header in one["authorization"]:
            connection.putheader("Authorization", header.encode())
        has_body = one["method"] != "GET" or one["body"]
        if has_body and is_chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif has_body:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(one["body"])))
        connection.endheaders()
        if has_body and is_chunked:
            half = len(one["body"]) // 2
            for piece in filter(None, (one["body"][:half], one["body"][half:])):
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
        elif has_body:
            connection.send(one["body"])
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return f"no answer: {error!r}"
    try:
        errcode = json.loads(said)["errcode"]
    except (KeyError, TypeError, ValueError):
        errcode = None
    is_accepted = answer.status not in (401, 500) and errcode not in ("M_UNAUTHORIZED", "M_NOT_JSON", "M_BAD_JSON")
    is_accepted &= (answer.status, errcode) != (400, "M_UNKNOWN")
    return "accepted" if is_accepted else f"{answer.status} {errcode}"
