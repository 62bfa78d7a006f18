"""Signed federation requests, right and wrong, and what Synapse's own code says of them.

As a program it writes the cases with Synapse's verdicts, for the unit tests of `src/matrix/signature/`:

    target/synapse-venv/bin/python tests/synapse/signed_requests.py > tests/fixtures/matrix/signed-requests.json

A case is a dictionary: `name`, `method`, `target`, `authorization` (values of headers) and `body` (bytes).
"""

import asyncio
import base64
import io
import json
import sys
import types

import signedjson.key
import signedjson.sign
from synapse.api.errors import SynapseError
from synapse.crypto.keyring import BANNED_SERVER_SIGNING_KEYS, Keyring, VerifyJsonRequest
from synapse.federation.transport.server._base import Authenticator
from synapse.http.matrixfederationclient import MatrixFederationHttpClient
from synapse.http.servlet import parse_json_object_from_request
from synapse.util.json import json_decoder
from twisted.web.http_headers import Headers

SEEDS = {"1": "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1", "other": "wSJSiYLqaCYBGLGwAPdUQ/nRT6JG8RnH5oT3tW4cpVs"}
READ, WRITE = "/_matrix/federation/v1/event/", "/_matrix/federation/v1/publicRooms"

# Of an event's id, and of the query after it.
ODD_TARGETS = [
    "$plain", "%24encoded", "a%2Fb", "a%2fb", "%41%7e~", "a%20b", "a+b", "a%2Bb", "%C3%A4", "%c3%a4", "%F0%9F%9A%AA",
    "%e2%80%ae", "%00", "%22", "%5C", "%25", "%2525", "a%zz", "a%", "a:b", "a%3Ab", "a%3ab", "a@b", "a!b", "a'b", "a(b)*",
    "a;b=c", "a,b", "a&b", "a=b", "-._~", "a%2e%2e%2fb", "a?", "a??", "a?x", "a?x=", "a?x=1&x=2", "a?x=%26", "a?x=a/b",
    "a?x=a%2Fb", "a?b=2&a=1", "a?x=%C3%A4&y", "a?ver=11&ver=12", "a?x=1+2", "a?x=\"y\"", "a?x={y}", "a?x=|", "a?x=^`",
    "a?user_id=%40a%3Ab", "a?x=a:b@c", "a?;", "a?&", "a?=&=", "a?x=" + "y" * 1500, "z" * 255, "a?x=\\", "a?<>", "a?x=[]",
]

# Values that Python writes as they stand.
CANONICAL = [
    "0", "1", "-1", "9007199254740991", "-9007199254740992", "9007199254740993", "18446744073709551616", "9" * 400,
    "9" * 4300, "-" + "9" * 4300, '""', '"a"', '"ä"', '"日本語"', '"\U0001f6aa"', '"\u2028\u2029"', '"\uffff\U0010ffff"',
    '"\x7f\x80\xa0\ufeff"', r'"\""', r'"\\"', r'"\b\f\n\r\t"', r'"\u0000\u0001\u001f"', '"/"', '"' + "é" * 3000 + '"',
    "true", "false", "null", "[]", "{}", "[[],{}]", '{"":0}', '{"a":0,"b":0}', '{"A":0,"a":0}', '{"a":{"a":0},"b":1}',
    '{"":0,"a":1,"aa":2,"b":3}', '{"\uffff":0,"\U00010000":1}', '{"a":0,"ä":1}', r'{"\n":0,"!":1}', r'{"!":0,"\"":1}',
    r'{"[":0,"\\":1,"]":2}', r'{"\u0000":0,"\u0001":1,"\t":2}', "[" * 100 + "]" * 100, '{"a":' * 50 + "1" + "}" * 50,
    '[0,-1,"a",null,true,false,{"a":[1]},[2]]', '{"' + "k" * 300 + '":1}', '{"' + "k" * 20000 + '":1}',
]

# Values that Python writes in another way.
REWRITTEN = [
    " 0", "0 ", "\t0\n", "\r\n0", "[ 0 ]", "[0, 1]", '{ "a" : 0 }', '{"b":0,"a":1}', '{"aa":0,"a":1}', '{"ä":0,"z":1}',
    '{"\U00010000":0,"\uffff":1}', r'{"!":0,"\n":1}', '{"a":0,"a":1}', '{"a":1,"b":2,"a":3,"b":4}', r'{"a":0,"\u0061":1}',
    '{"a":{"b":1,"b":2},"a":{"c":1,"c":2}}', r'"\/"', r'"\u0041"', r'"\u00e9"', r'"\u001F"', r'"\u000a"', r'"\u0008"',
    r'"\u007f"', r'"\u0022\u005c"', r'"\ud83d\ude80"', r'"\uD83D\uDE80!"', r'"\u2028"', "-0", "-0.0", "0.0", "0e0", "1.0",
    "1e3", "1E3", "1e+3", "1e-3", "1.5", "0.1", "0.30000000000000004", "1e15", "1e16", "1e17", "123456789012345678.0",
    "9999999999999998.0", "0.0001", "0.00001", "0.000123456789", "1e22", "1e23", "5e-324", "4.9e-324", "1e-400",
    "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623158e308", "9007199254740993.0", "-1e-5",
    "3.141592653589793238462643383279502884197", "0." + "3" * 400, "1" + "0" * 300 + ".5", "1e-7", "100e-2", "1.10",
    "2e0", "12345678.9", "-123.456e-30", "4.35", "0.5e1", "8.41e21", "9.5367431640625e-07", "1e5", "5.0E+20",
    r'{"a":"\ud800","a":0}', '{"a":1e999,"a":0}', '{"a":[{"b":1.0,"a":[{"z":0,"y":-0}]}],"A":2}',
]

# Values that Python reads and cannot write.
UNWRITABLE = [
    r'"\ud800"', r'"\udc00"', r'"\ude80\ud83d"', r'"\ud83d\ud83d\ude80"', r'"\ud83d\u0041"', r'"\ud83dx"',
    r'{"\ud800":0}', r'[{"a":"\udfff"}]', "1e309", "-1e999", "[1e400]",
]

# Values that are no JSON for it.
UNREADABLE = [
    "", "NaN", "Infinity", "-Infinity", "01", "-01", "1.", ".5", "+1", "1e", "1e+", "--1", "-", "0x1", "1_000", "tru",
    "True", "nul", "nulll", "[", "]", "[1,]", "[,1]", "[1 2]", "[1", '{"a"}', '{"a":}', '{"a":1,}', "{,}", "{1:2}",
    "{'a':1}", '{"a" 1}', '{"a":1 "b":2}', "'a'", '"a', r'"\x41"', r'"\u12"', r'"\u12g4"', r'"\U0041"', '"\x00"',
    '"\x1f"', '"\t"', '"a\nb"', "\u00a00", "\ufeff0", "\x0c0", "/**/1", "1//", "9" * 4301, "[" * 1200 + "]" * 1200,
    r'"\ud83d\u12"', "1 1", r'"\u+041"',
]

# Whole bodies that are no objects, and bytes that are no UTF-8.
BODIES = [
    (b"", False), (b" ", False), (b"[]", False), (b"1", False), (b'"a"', False), (b"null", False), (b"true", False),
    (b"{}{}", False), (b"{} x", False), (b"{}\x00", False), (b"\xef\xbb\xbf{}", False), (b"{", False), (b'{"a', False),
    (b'{"a":"\xff"}', False), (b'{"a":"\xc0\x80"}', False), (b'{"a":"\xed\xa0\x80"}', False), (b"not json", False),
    (b'{"a":"\xf4\x90\x80\x80"}', False), (b'{"a":"\xc3"}', False), (b'{"a":"\xe2\x82"}', False), (b'{"\xff":0}', False),
    ('{"a":"é"}'.encode("latin-1"), False), ('{"a":1}'.encode("utf-16"), False), (b"{\xa0}", False),
    (b"{}", True), (b"{} ", True), (b" {}", True), (b"\r\n\t{ }\n", True), (b'{"a":"\xc3\xa4"}', True),
    (b'{"a":"\xf4\x8f\xbf\xbf"}', True), (b'{"origin":"o","origin_server_ts":1,"pdus":[],"edus":[]}', True),
    (b'{"edus":[],"origin":"o","origin_server_ts":1,"pdus":[]}', True),
]


class Signer:
    """A server with a key, for which Synapse's own client writes headers."""

    def __init__(self, server_name, key):
        self.server_name, self.signing_key = server_name, key

    def headers(self, destination, method, target, content=None):
        build = MatrixFederationHttpClient.build_auth_headers
        return [header.decode() for header in build(self, destination.encode(), method.encode(), target.encode(), content)]

    def signature(self, destination, method, target, content=None):
        header, = self.headers(destination, method, target, content)
        return header.split('sig="')[1].split('"')[0]


def key_pair(version="1", seed="1"):
    return signedjson.key.decode_signing_key_base64("ed25519", version, SEEDS[seed])


def cases(origin, destination, key=None):
    """All cases: requests of `origin`, whose published key is `key`, to `destination`."""
    signer = Signer(origin, key or key_pair())
    return [*of_targets(signer, destination), *of_bodies(signer, destination), *of_parts(signer, destination),
            *of_headers(signer, destination)]


def case(name, method, target, authorization, body=b""):
    return {"name": name, "method": method, "target": target, "authorization": authorization, "body": body}


def of_targets(signer, destination):
    for number, odd in enumerate(ODD_TARGETS):
        target = READ + odd
        yield case(f"target {number}", "GET", target, signer.headers(destination, "GET", target))
    target = READ + "a?b=c"
    for other in (READ + "a?b=d", READ + "a?b", READ + "a", READ + "%61?b=c", READ + "a?b=c&", READ + "A?b=c",
                  target + "%20"):
        yield case(f"another target {other[len(READ):]}", "GET", other, signer.headers(destination, "GET", target))


def of_bodies(signer, destination):
    def posted(name, body, content):
        return case(name, "POST", WRITE, signer.headers(destination, "POST", WRITE, content), body)

    for kind, values in (("canonical", CANONICAL), ("rewritten", REWRITTEN)):
        for number, value in enumerate(values):
            body = ('{"x":%s}' % value).encode()
            content = json_decoder.decode(body.decode())
            yield posted(f"{kind} {number}", body, content)
            if number % 4 == 0:
                yield posted(f"{kind} {number}, signed another", body, {**content, "y": 1})
    for kind, values in (("unwritable", UNWRITABLE), ("unreadable", UNREADABLE)):
        for number, value in enumerate(values):
            yield posted(f"{kind} {number}", ('{"x":%s}' % value).encode("utf-8", "surrogatepass"), {"x": 0})
    for number, (body, is_object) in enumerate(BODIES):
        content = json_decoder.decode(body.decode()) if is_object else {}
        yield posted(f"body {number}", body, content)
    # What stands in the signed object beside the body cannot be put there by the body.
    for name in ("signatures", "unsigned", "content", "destination", "uri"):
        body = ('{"%s":{}}' % name).encode()
        yield posted(f"a member {name}", body, json.loads(body))
    target = "/_matrix/federation/v1/send/1"
    yield case("put", "PUT", target, signer.headers(destination, "PUT", target, {"pdus": []}), b'{"pdus":[]}')
    # A body that Synapse does not look at.
    yield case("get with a body", "GET", READ + "a", signer.headers(destination, "GET", READ + "a"), b'{"a": 1}')
    yield case("get with a body that is signed", "GET", READ + "a", signer.headers(destination, "GET", READ + "a", {"a": 1}),
               b'{"a":1}')
    yield case("a body that is not signed", "POST", WRITE, signer.headers(destination, "POST", WRITE), b"{}")


def of_parts(signer, destination):
    """One part that is another than was signed."""
    content, body = {"limit": 1, "x": "y"}, b'{"limit":1,"x":"y"}'

    def changed(name, signer=signer, method="POST", to=destination, target=WRITE, sent=body, change=lambda header: header):
        header, = signer.headers(to, method, target, content)
        return case(name, "POST", WRITE, [change(header)], sent)

    yield changed("nothing is changed")
    for position in range(len(body)):
        flipped = bytearray(body)
        flipped[position] ^= 1
        yield changed(f"bit of byte {position} of the body", sent=bytes(flipped))
    for position in (*range(0, 64, 5), 31, 32, 63):
        for bit in (1, 0x80):
            yield changed(f"bit {bit} of byte {position} of the signature",
                          change=lambda header, flip=(position, bit): flipped_signature(header, *flip))
    yield changed("signature plus the order of the group", change=plus_order)
    for name, first in (("zero", b"\0"), ("one", b"\1")):
        yield changed(f"point {name} in the signature", change=lambda header, first=first: with_signature(
            header, lambda signature: first + bytes(63)))
    yield changed("another method", method="PUT")
    yield changed("another destination", to="elsewhere.example")
    yield changed("another target", target=WRITE + "?")
    yield changed("a target with a slash", target=WRITE + "/")
    yield changed("another key", signer=Signer(signer.server_name, key_pair(signer.signing_key.version, "other")))
    yield changed("a key that is not published", signer=Signer(signer.server_name, key_pair("missing")))
    yield changed("destination in capital letters", change=lambda header: header.replace(
        f'destination="{destination}"', f'destination="{destination.upper()}"'))
    yield changed("without a destination", change=lambda header: header.replace(f',destination="{destination}"', ""))
    yield changed("destination of another, signed for us", change=lambda header: header.replace(
        f'destination="{destination}"', 'destination="elsewhere.example"'))


def of_headers(signer, destination):
    """The right signature in headers that are written in other ways."""
    target = READ + "a"
    origin, key = signer.server_name, f"ed25519:{signer.signing_key.version}"
    signature = signer.signature(destination, "GET", target)
    o, k, s, d = f'origin="{origin}"', f'key="{key}"', f'sig="{signature}"', f'destination="{destination}"'
    stranger = 'origin="stranger.example"'
    written = [
        f"X-Matrix {o},{k},{s},{d}", f"X-Matrix {d},{s},{k},{o}", f"X-Matrix {o},{k},{s}", f"X-Matrix   {o},{k},{s},{d}",
        f"X-Matrix {o} , {k}\t,\t{s},{d}", f"X-Matrix ORIGIN=\"{origin}\",Key=\"{key}\",SIG=\"{signature}\",{d}",
        f"X-Matrix origin={origin},key={key},sig={signature},destination={destination}",
        f"X-Matrix {o},{k},sig=\"{signature}==\",{d}", f"X-Matrix {o},{k},{s},{d},future=1",
        f"X-Matrix {o},{k},{s},{d},future=\"x y\"", f"X-Matrix {o},{k},sig=\"{urlsafe(signature)}\",{d}",
        f"x-matrix {o},{k},{s},{d}", f"X-MATRIX {o},{k},{s},{d}", f"X-Matrix\t{o},{k},{s},{d}", f"X-Matrix{o},{k},{s},{d}",
        f"X-Matrix {o},{k},{s},{d},", f"X-Matrix ,{o},{k},{s},{d}", f"X-Matrix {o},,{k},{s},{d}",
        f"X-Matrix origin = \"{origin}\",{k},{s},{d}", f"X-Matrix {o}, {stranger},{k},{s},{d}",
        f"X-Matrix {stranger},{o},{k},{s},{d}", f"X-Matrix {o},{k},{s},{d},{stranger}", f"X-Matrix {o},{o},{k},{s},{d}",
        f"X-Matrix {k},{k},{o},{s},{d}", f"X-Matrix {o},{k},{s},{s},{d}", f"X-Matrix {o},{k},{s},{d},{d}",
        f"X-Matrix {o},{k},{s},{d},destination=\"elsewhere.example\"", f"X-Matrix {o},{k},{d}", f"X-Matrix {k},{s},{d}",
        f"X-Matrix {o},{s},{d}", "X-Matrix", "X-Matrix ", "X-Matrix ,", f"Bearer {o},{k},{s},{d}",
        f"X-Matrix origin=\"{escaped(origin)}\",{k},{s},{d}", f"X-Matrix origin=\"{origin},{k},{s},{d}",
        f"X-Matrix origin={origin}\",{k},{s},{d}", f"X-Matrix origin=\"{origin}x,{k},{s},{d}",
        f"X-Matrix origin='{origin}',{k},{s},{d}", f"X-Matrix origin=\"{origin} \",{k},{s},{d}",
        f"X-Matrix origin=\" {origin}\",{k},{s},{d}", f"X-Matrix origin=\"\",{k},{s},{d}",
        f"X-Matrix origin=\"{origin.upper()}\",{k},{s},{d}", f"X-Matrix origin=\"{origin}.\",{k},{s},{d}",
        f"X-Matrix {o},key=\"{key.upper()}\",{s},{d}", f"X-Matrix {o},key=\"rsa:1\",{s},{d}",
        f"X-Matrix {o},key=\"ed25519\",{s},{d}", f"X-Matrix {o},key=\"\",{s},{d}", f"X-Matrix {o},{k},sig=\"\",{d}",
        f"X-Matrix {o},{k},sig=\"{signature[:-1]}\",{d}", f"X-Matrix {o},{k},sig=\"{signature}A\",{d}",
        f"X-Matrix {o},{k},sig=\"{signature[:40]} {signature[40:]}\",{d}", f"X-Matrix {o},{k},sig=\"é{signature}\",{d}",
        f"X-Matrix {o},{k},sig=\"{signature[:40]}!{signature[40:]}\",{d}",
        f"X-Matrix {o},{k},sig=\"{trailing_bits(signature)}\",{d}", f"X-Matrix {o},{k},sig=\"{signature}\" ,{d}",
        f"X-Matrix future=\"a,b\",{o},{k},{s},{d}", f"X-Matrix future=\"a,{stranger},b\",{o},{k},{s},{d}",
        f"X-Matrix {o},{k},{s},destination=\"\"", f"X-Matrix {o},{k},{s},destination=",
    ]
    for number, header in enumerate(written):
        yield case(f"header {number}", "GET", target, [header])
    right = written[0]
    for number, headers in enumerate([
        [], [right, right], [right, f"X-Matrix {stranger},{k},{s},{d}"], [f"X-Matrix {stranger},{k},{s},{d}", right],
        ["Bearer abc", right], [right, "Bearer abc"], [right, "X-Matrix"],
        [right, f"X-Matrix {o},key=\"ed25519:missing\",{s},{d}"], [f"X-Matrix {o},key=\"ed25519:missing\",{s},{d}", right],
        [right, f"X-Matrix {o},{k},sig=\"{'A' * 86}\",{d}"], [f"X-Matrix {o},{k},sig=\"{'A' * 86}\",{d}", right],
    ]):
        yield case(f"several headers {number}", "GET", target, headers)


def escaped(text):
    return "".join("\\" + character for character in text)


def urlsafe(signature):
    return signature.replace("+", "-").replace("/", "_")


def trailing_bits(signature):
    """The same bytes; of the last character only four bits count."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) | 1]


def with_signature(header, change):
    before, signature, after = header.split('sig="')[0], *header.split('sig="')[1].split('"', 1)
    changed = base64.b64encode(change(base64.b64decode(signature + "=="))).decode().rstrip("=")
    return f'{before}sig="{changed}"{after}'


def flipped_signature(header, position, bit):
    def flip(signature):
        changed = bytearray(signature)
        changed[position] ^= bit
        return bytes(changed)

    return with_signature(header, flip)


def plus_order(header):
    order = 2**252 + 27742317777372353535851937790883648493
    return with_signature(header, lambda signature: signature[:32] + (
        int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little"))


class Judge:
    """Synapse's `Authenticator` and `Keyring`, with keys that need not be fetched."""

    def __init__(self, server_name, keys):
        self.server_name, self.keys, self.keyring = server_name, keys, self
        self.federation_domain_whitelist, self.store = None, self
        self._clock = types.SimpleNamespace(time_msec=lambda: 0)

    def _is_mine_server_name(self, server_name):
        return server_name == self.server_name

    async def verify_json_for_server(self, server_name, json_object, validity_time):
        request = VerifyJsonRequest.from_json_object(server_name, json_object, validity_time)
        if not request.key_ids:
            raise SynapseError(400, "Not signed")
        keys = [self.keys[server_name, key_id] for key_id in request.key_ids if (server_name, key_id) in self.keys]
        for key in keys:
            assert signedjson.key.encode_verify_key_base64(key) not in BANNED_SERVER_SIGNING_KEYS
            await Keyring.process_json(self, key, request)
        if not keys:
            raise SynapseError(401, "Failed to find any key")

    async def get_destination_retry_timings(self, origin):
        return None

    def verdict(self, one):
        """The origin that Synapse takes the request for, or the status with which it refuses it."""
        headers = Headers()
        headers.setRawHeaders(b"Authorization", [header.encode() for header in one["authorization"]])
        request = types.SimpleNamespace(
            method=one["method"].encode(), uri=one["target"].encode(), content=io.BytesIO(one["body"]),
            requestHeaders=headers,
        )
        try:
            content = parse_json_object_from_request(request) if one["method"] in ("PUT", "POST") else None
            return asyncio.run(Authenticator.authenticate_request(self, request, content))
        except SynapseError as refusal:
            return refusal.code
        except (ValueError, RecursionError):
            return 500


def main():
    origin, destination = "origin.example", "destination.example:8448"
    signer, other = key_pair(), key_pair("2", "other")
    keys = {(origin, "ed25519:1"): signedjson.key.get_verify_key(signer),
            (origin, "ed25519:2"): signedjson.key.get_verify_key(other)}
    judge = Judge(destination, keys)
    written = []
    for one in cases(origin, destination, signer):
        one["synapse"] = judge.verdict(one)
        try:
            one["body"] = one["body"].decode()
        except UnicodeDecodeError:
            one["base64"] = base64.b64encode(one.pop("body")).decode()
        written.append(json.dumps(one))
    published = {key_id: signedjson.key.encode_verify_key_base64(key) for (_, key_id), key in keys.items()}
    head = json.dumps({"origin": origin, "destination": destination, "keys": published})
    sys.stdout.write(head[:-1] + ', "cases": [\n' + ",\n".join(written) + "\n]}\n")


if __name__ == "__main__":
    main()
