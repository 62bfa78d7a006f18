"""Two requests by Twisted's Agent, as Synapse makes them, each on a connection of its own; the second resumes the session
of the first.

Usage: agent.py PORT CA VERSION, where VERSION is 1.2 or 1.3. Prints the status of each answer.
"""

import sys

from OpenSSL import crypto
from twisted.internet import defer, endpoints, ssl, task
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.web.client import Agent, readBody
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

NAME = "matrix.example.com"


@implementer(IOpenSSLClientConnectionCreator)
class Remembering:
    """Makes connections, each with the session of the one before."""

    def __init__(self, options):
        self.options = options
        self.session = None
        self.connection = None

    def clientConnectionForTLS(self, protocol):
        self.connection = self.options.clientConnectionForTLS(protocol)
        if self.session is not None:
            self.connection.set_session(self.session)
        return self.connection

    def remember(self):
        self.session = self.connection.get_session()


@implementer(IAgentEndpointFactory)
class Loopback:
    """Leads every name to this machine."""

    def __init__(self, reactor, port, creator):
        tcp = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self.endpoint = endpoints.wrapClientTLS(creator, tcp)

    def endpointForURI(self, uri):
        return self.endpoint


async def fetch(reactor, port, ca, version):
    with open(ca, "rb") as file:
        root = ssl.Certificate(crypto.load_certificate(crypto.FILETYPE_PEM, file.read()))
    only = {
        "1.2": {"raiseMinimumTo": ssl.TLSVersion.TLSv1_2, "lowerMaximumSecurityTo": ssl.TLSVersion.TLSv1_2},
        "1.3": {"raiseMinimumTo": ssl.TLSVersion.TLSv1_3},
    }
    roots = ssl.trustRootFromCertificates([root])
    # Off by default there, so Synapse resumes nothing.
    extra = {"enableSessionTickets": True, **only[version]}
    options = ssl.optionsForClientTLS(NAME, trustRoot=roots, extraCertificateOptions=extra)
    creator = Remembering(options)
    agent = Agent.usingEndpointFactory(reactor, Loopback(reactor, int(port), creator))
    url = f"https://{NAME}/_matrix/federation/v1/version".encode()
    for _ in range(2):
        response = await agent.request(b"GET", url)
        await readBody(response)
        creator.remember()
        print(response.code)


task.react(lambda reactor, *arguments: defer.ensureDeferred(fetch(reactor, *arguments)), sys.argv[1:])
