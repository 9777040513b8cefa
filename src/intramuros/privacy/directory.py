"""The organisation's directory (LDAP, Active Directory): whether a password is somebody's, and their groups.

Called by `accounts.sign_in` through its contract. Connections are encrypted and the directory's certificate is
checked; in the clear they go to this machine only. A name somebody types becomes part of no filter unescaped, and an
empty password, which many directories take for "nobody, welcome", is refused before it is sent.

Source: RFC 4511, 4513 (section 5.1.2, unauthenticated binds), 4515 (filters).
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from intramuros.accounts.external import Identity
from intramuros.errors import SettingsError, SignInServiceFailed
from intramuros.privacy.egress import Egress, Rule

log = logging.getLogger(__name__)

PORTS = {"ldaps": 636, "ldap": 389}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WAIT_S = 10
FILTER = "(|(mail={login})(userPrincipalName={login})(uid={login})(sAMAccountName={login}))"
GROUPS = "(|(member={dn})(uniqueMember={dn}))"
LONGEST_LOGIN = 254


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory. `base` is the branch that is searched, as `user` with `password`.

    Raises: SettingsError for an address that is none, or that would send passwords in the clear.
    """

    url: str
    base: str
    egress: Egress
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    filter: str = FILTER

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.username:
            raise SettingsError(
                "INTRAMUROS_LDAP_URL is no directory's address.", hint="Write ldaps://ldap.firm.example"
            )
        if "{login}" not in self.filter:
            raise SettingsError("INTRAMUROS_LDAP_FILTER does not say where the name goes.", hint=f"As in {FILTER}")

    def identity(self, login: str, password: str) -> Identity | None:
        """Who signs in with these; none if they are nobody's. Raises: SignInServiceFailed."""
        from ldap3.core.exceptions import LDAPException

        if not password or not login or len(login) > LONGEST_LOGIN:
            return None
        try:
            entry = self._entry(login)
            if entry is None or not self._is_theirs(entry["dn"], password):
                return None
            return self._as_identity(entry, self._groups(entry))
        except LDAPException as error:
            log.warning("the directory can't be asked: %s", type(error).__name__)
            raise SignInServiceFailed(f"The directory can't be asked ({type(error).__name__}).") from error

    def _entry(self, login: str) -> dict[str, Any] | None:
        from ldap3.utils.conv import escape_filter_chars

        wanted = self.filter.replace("{login}", escape_filter_chars(login))
        found = self._search(
            wanted, ["mail", "cn", "displayName", "memberOf", "entryUUID", "objectGUID", "userPrincipalName"]
        )
        if len(found) > 1:
            log.warning("the directory has %d entries for one name; nobody is signed in by it", len(found))
        return found[0] if len(found) == 1 else None

    def _groups(self, entry: dict[str, Any]) -> tuple[str, ...]:
        """The names of a person's groups: what stands in their entry, and groups that list them."""
        from ldap3.utils.conv import escape_filter_chars
        from ldap3.utils.dn import parse_dn

        listed = self._search(GROUPS.replace("{dn}", escape_filter_chars(entry["dn"])), ["cn"])
        names = [str(parse_dn(dn)[0][1]) for dn in entry["attributes"].get("memberOf", [])]
        return tuple(dict.fromkeys([*names, *(name for group in listed for name in group["attributes"].get("cn", []))]))

    def _search(self, wanted: str, attributes: list[str]) -> list[dict[str, Any]]:
        from ldap3 import SUBTREE

        with self._connection(self.user, self.password) as connection:
            connection.search(
                self.base, wanted, search_scope=SUBTREE, attributes=attributes, size_limit=200, time_limit=WAIT_S
            )
            return [entry for entry in connection.response if entry["type"] == "searchResEntry"]

    def _is_theirs(self, dn: str, password: str) -> bool:
        from ldap3.core.exceptions import LDAPBindError, LDAPInvalidCredentialsResult

        try:
            with self._connection(dn, password):
                return True
        except (LDAPInvalidCredentialsResult, LDAPBindError):
            return False

    def _connection(self, user: str | None, password: str | None) -> Any:
        """A connection that is bound, encrypted unless it stays on this machine."""
        from ldap3 import AUTO_BIND_NO_TLS, AUTO_BIND_TLS_BEFORE_BIND, NONE, Connection, Server, Tls

        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self.egress.permitting([Rule(host, parts.scheme, port, private=True)], reason="the directory").check(
            f"{parts.scheme}://{parts.netloc}:{port}" if parts.port is None else self.url
        )
        tls = Tls(validate=ssl.CERT_REQUIRED, version=ssl.PROTOCOL_TLS_CLIENT, ca_certs_file=self.ca_file)
        server = Server(host, port, use_ssl=parts.scheme == "ldaps", tls=tls, get_info=NONE, connect_timeout=WAIT_S)
        is_local = parts.scheme == "ldap" and host in LOOPBACK
        bind = AUTO_BIND_NO_TLS if is_local or parts.scheme == "ldaps" else AUTO_BIND_TLS_BEFORE_BIND
        return Connection(
            server, user, password, auto_bind=bind, receive_timeout=WAIT_S, raise_exceptions=True, read_only=True,
            auto_referrals=False,
        )  # fmt: skip

    def _as_identity(self, entry: dict[str, Any], groups: tuple[str, ...]) -> Identity | None:
        has = {name: values for name, values in entry["attributes"].items() if values}
        email = _first(has, "mail", "userPrincipalName")
        if email is None or "@" not in email:
            log.warning("the directory's entry has no address, so there can be no account for it")
            return None
        subject = _first(has, "entryUUID", "objectGUID") or entry["dn"].casefold()
        name = _first(has, "displayName", "cn") or email
        return Identity(self.url, subject, email, name, is_email_verified=True, groups=groups)


def _first(attributes: dict[str, Any], *names: str) -> str | None:
    for name in names:
        value = attributes.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if value:
            return value.hex() if isinstance(value, bytes) else str(value)
    return None
