"""A homeserver that consists of a name, a signing key and an endpoint that publishes it: enough to sign requests."""

import datetime
import http.server
import ipaddress
import json
import pathlib
import ssl
import threading
import time

import signedjson.key
import signedjson.sign
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_certificate(folder):
    """Writes a self-signed certificate for localhost with its key; returns the path of the certificate."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
    return folder / "certificate.pem"


class Stranger:
    """Serves its key on a free port of localhost while it is entered; `server_name` is that address."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.key = signedjson.key.generate_signing_key("stranger")

    def __enter__(self):
        stranger = self

        class Keys(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(stranger.published_key()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "certificate.pem", self.folder / "key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server_name = f"localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def published_key(self):
        """The answer of `/_matrix/key/v2/server`."""
        name = f"{self.key.alg}:{self.key.version}"
        public = signedjson.key.encode_verify_key_base64(signedjson.key.get_verify_key(self.key))
        return signedjson.sign.sign_json({
            "server_name": self.server_name, "valid_until_ts": int(time.time() * 1000) + 3_600_000,
            "verify_keys": {name: {"key": public}}, "old_verify_keys": {},
        }, self.server_name, self.key)

    def authorization(self, destination, method, uri, content=None):
        """The value of the Authorization header of a request, with JSON or without (S2S "Request authentication")."""
        request = {"method": method, "uri": uri, "origin": self.server_name, "destination": destination}
        if content is not None:
            request["content"] = content
        signatures = signedjson.sign.sign_json(request, self.server_name, self.key)["signatures"]
        (key, signature), = signatures[self.server_name].items()
        return (f'X-Matrix origin="{self.server_name}",destination="{destination}",key="{key}",sig="{signature}"')
