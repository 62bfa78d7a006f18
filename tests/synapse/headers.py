"""Synapse's own reader and writer of X-Matrix headers, for `headers.rs`.

A line of standard input is the values of a request's Authorization headers, in hexadecimal and with a space between them;
or `write ORIGIN DESTINATION VERSION`. The answer is a line of JSON: what Synapse would verify, or null where it refuses;
or the header that it would send, in hexadecimal.
"""

import json
import logging
import sys
from types import SimpleNamespace

from signedjson.key import generate_signing_key
from signedjson.sign import signature_ids
from synapse.api.errors import SynapseError
from synapse.federation.transport.server._base import Authenticator
from synapse.http.matrixfederationclient import MatrixFederationHttpClient
from twisted.web.http_headers import Headers
from unpaddedbase64 import decode_base64

logging.disable(logging.CRITICAL)
destinations: list[str] = []
verified: list[dict] = []


async def verify(origin: str, request: dict, _now: int) -> None:
    ids = signature_ids(request, origin)
    if not ids:
        raise SynapseError(400, "Not signed")
    # Synapse looks at them when it verifies; what cannot be decoded, or is too short, it refuses then.
    signatures = {key: decode_base64(request["signatures"][origin][key]).hex() for key in ids}
    if any(len(signature) != 128 for signature in signatures.values()):
        raise ValueError("no Ed25519 signature")
    verified.append({"origin": origin, "signatures": signatures})


async def no_backoff(_origin: str) -> None:
    return None


def is_mine(destination: str) -> bool:
    destinations.append(destination)
    return True


synapse = Authenticator.__new__(Authenticator)
synapse._clock = SimpleNamespace(time_msec=lambda: 0)
synapse.keyring = SimpleNamespace(verify_json_for_server=verify)
synapse.server_name = "d.example"
synapse._is_mine_server_name = is_mine
synapse.store = SimpleNamespace(get_destination_retry_timings=no_backoff)
synapse.federation_domain_whitelist = None


def read(headers: list[bytes]) -> dict | None:
    request = SimpleNamespace(method=b"GET", uri=b"/_matrix/federation/v1/event/e", requestHeaders=Headers())
    for header in headers:
        # As twisted.web.http.HTTPChannel does with a line.
        request.requestHeaders.addRawHeader(b"Authorization", header.strip(b" \t"))
    destinations.clear()
    verified.clear()
    try:
        synapse.authenticate_request(request, None).send(None)
    except StopIteration:
        return verified[0] | {"destinations": destinations}
    except Exception:
        return None
    raise AssertionError("it waits for something")


def write(origin: str, destination: str, version: str) -> str:
    key = generate_signing_key(version)
    client = SimpleNamespace(server_name=origin, signing_key=key)
    (header,) = MatrixFederationHttpClient.build_auth_headers(
        client, destination.encode(), b"GET", b"/_matrix/federation/v1/event/e"
    )
    return header.hex()


for line in sys.stdin:
    match line.rstrip("\n").split(" "):
        case ["write", origin, destination, version]:
            answer = write(origin, destination, version)
        case headers:
            answer = read([bytes.fromhex(header) for header in headers])
    print(json.dumps(answer))
