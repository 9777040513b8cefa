"""A directory on this machine, as a process of its own: `python -m tests.support.ldap_server LDIF [CERTIFICATE KEY]`.

It prints its port. Without a certificate it speaks LDAP in the clear, with one LDAP over TLS.
"""

# mypy: disable-error-code="arg-type,misc"

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from ldaptor.inmemory import fromLDIFFile
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import reactor, ssl
from twisted.internet.protocol import ServerFactory
from twisted.python.components import registerAdapter


class Factory(ServerFactory):
    """One tree for every connection."""

    protocol = LDAPServer

    def __init__(self, root: object) -> None:
        self.root = root


def main(ldif: str, *certificate: str) -> None:
    registerAdapter(lambda factory: factory.root, Factory, IConnectedLDAPEntry)

    def serve(root: object) -> None:
        factory = Factory(root)
        if certificate:
            context = ssl.DefaultOpenSSLContextFactory(certificate[1], certificate[0])
            port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        else:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        print(port.getHost().port, flush=True)

    fromLDIFFile(BytesIO(Path(ldif).read_bytes())).addCallback(serve)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
