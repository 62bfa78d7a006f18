"""Starts real Synapse with a private phone book in place of DNS.

Usage: launch_synapse.py PHONE_BOOK [arguments of synapse.app.homeserver]

Homeservers find each other by name: `.well-known` on port 443 of the server name, then SRV records, then port 8448. An
ordinary user owns neither a DNS zone nor port 443. A network namespace would give both, but many machines refuse it
(containers, hardened kernels) and what runs inside is out of reach of the browser outside. So only the two questions
that Synapse asks its system are answered here: "which address is NAME:PORT?" and "which SRV record has NAME?".
Discovery, TLS, certificate checks, signatures and HTTP are Synapse's own, untouched.

The phone book is JSON:
  {"addresses": {"two.localhost:443": ["127.0.0.1", 8442]}, "services": {"_matrix-fed._tcp.x": ["target.x", 8443]}}
A name that is not in it does not exist: this federation never leaves the machine.
"""

import ipaddress
import json
import socket
import sys

BOOK = json.load(open(sys.argv.pop(1), encoding="utf-8"))
system_getaddrinfo = socket.getaddrinfo


def is_local(host):
    """True for what needs no phone book: no name at all, an address, this machine."""
    if host in (None, "", "localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def getaddrinfo(host, port, *arguments, **options):
    """socket.getaddrinfo that knows the phone book only; a port may be answered by another one."""
    name = host.decode("ascii") if isinstance(host, bytes) else host
    if not is_local(name):
        try:
            host, port = BOOK["addresses"][f"{name}:{port}"]
        except KeyError:
            raise socket.gaierror(socket.EAI_NONAME, f"{name}:{port} is not in the phone book") from None
    return system_getaddrinfo(host, port, *arguments, **options)


# Before anything of Twisted or Synapse is imported: they keep their own reference to the function.
socket.getaddrinfo = getaddrinfo

from synapse.app import homeserver  # noqa: E402
from twisted.internet import defer  # noqa: E402
from twisted.names import client, dns, error  # noqa: E402


class PhoneBookServices:
    """The part of a DNS resolver that Synapse uses: SRV look-ups."""

    @staticmethod
    def lookupService(name, timeout=None):
        record = BOOK["services"].get(dns.domainString(name).decode("ascii"))
        if record is None:
            return defer.fail(error.DNSNameError(name))
        target, port = record
        payload = dns.Record_SRV(priority=10, weight=0, port=port, target=target, ttl=60)
        return defer.succeed(([dns.RRHeader(name, dns.SRV, dns.IN, 60, payload)], [], []))


client.theResolver = PhoneBookServices()

if __name__ == "__main__":
    homeserver.main()
