"""The certificate a server shows: files that were given, or one of its own authority, made on the spot and renewed.

Called by `server.listen` and by `intramuros tls`. The authority and the server's key lie in the encrypted database,
sealed under the data's key once more; in the clear they are in memory only.
"""

from __future__ import annotations

import os
import stat
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from intramuros.app import App
from intramuros.errors import NotFound, SettingsError
from intramuros.security import certificates
from intramuros.security.certificates import Facts, Pair
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.own_names import LOOPBACK, own_names
from intramuros.server.headers import LOOPBACK_HOSTS
from intramuros.storage import facts
from intramuros.storage.database import Database
from intramuros.storage.schema import now

AUTHORITY = "tls_authority"
SERVER = "tls_server"
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows: its certificate with the chain, and the key, both PEM and in memory."""

    chain: bytes
    key: bytes = field(repr=False)
    facts: Facts


class Certificates(Protocol):
    """Where a server's certificate comes from."""

    def current(self) -> Shown:
        """The one to show now; another one when it was renewed. Raises: SettingsError when there is no good one."""
        ...


@dataclass(frozen=True, slots=True)
class GivenFiles:
    """A certificate and its key in PEM files, which somebody else renews."""

    certificate: Path
    key: Path
    clock: Callable[[], float] = now

    def current(self) -> Shown:
        """Reads the files. Raises: SettingsError if they don't fit, are expired, or others may read the key."""
        chain, key = _read(self.certificate, "certificate"), self._key()
        said = certificates.facts(chain)
        if not certificates.belong_together(chain, key):
            raise SettingsError(
                "The TLS certificate and its key do not belong together.", hint="Name the key that was made with it."
            )
        at = self.clock()
        if not said.not_before <= at < said.not_after:
            is_old = at >= said.not_after
            word, day = ("has expired", said.not_after) if is_old else ("is not valid yet", said.not_before)
            raise SettingsError(
                f"The TLS certificate {self.certificate} {word} ({_day(day)}).",
                hint="Renew it, or leave INTRAMUROS_TLS_CERTIFICATE and INTRAMUROS_TLS_KEY out: "
                "Intramuros then makes its own.",
            )
        return Shown(chain, key, said)

    def _key(self) -> bytes:
        content = _read(self.key, "key of the certificate")
        status = self.key.stat()
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP) or status.st_uid not in {0, os.geteuid()}:
            raise SettingsError(
                f"The key {self.key} can be read or changed by other users of this machine.",
                hint=f"Make it yours alone: chmod 600 {self.key}",
                code="key_file_unsafe",
            )
        return content


class OwnAuthority:
    """The local authority of this installation, and the certificate it made for this server."""

    def __init__(
        self, database: Database, key: bytes, *, public_names: Iterable[str] = (), clock: Callable[[], float] = now
    ) -> None:
        self._database, self._clock = database, clock
        self._key = derive(key, "tls")
        self.public_names = tuple(public_names)

    def current(self) -> Shown:
        """The server's certificate; made anew when it ends soon, lacks a name, or its authority is another."""
        authority = self._kept(AUTHORITY) or self._new_authority()
        server = self._kept(SERVER)
        names = self._names(authority.certificate)
        if server is None or not self._is_good(server.certificate, authority.certificate, names):
            server = self._issue(authority, names)
        return _shown(server)

    def renew(self, *, authority: bool = False) -> Shown:
        """Makes the server's certificate anew; with `authority`, that too: machines must then trust the new one."""
        vouching = None if authority else self._kept(AUTHORITY)
        vouching = vouching or self._new_authority()
        return _shown(self._issue(vouching, self._names(vouching.certificate)))

    def authority(self) -> bytes:
        """The authority's certificate, DER: what other machines are to trust. Raises: NotFound before there is one."""
        kept = self._kept(AUTHORITY)
        if kept is None:
            raise NotFound(
                "There is no local authority yet.", hint="Make it with: intramuros tls renew", code="no_authority"
            )
        return kept.certificate

    def server(self) -> Facts | None:
        """What the server's certificate says, if there is one."""
        kept = self._kept(SERVER)
        return None if kept is None else certificates.facts(kept.certificate)

    def _names(self, authority: bytes) -> tuple[str, ...]:
        """This machine's own names, as far as the authority may vouch for them, and the public ones: all of them."""
        for name in self.public_names:
            if not certificates.may_vouch(authority, name):
                raise SettingsError(
                    f"The local authority may not vouch for {name}: it was made for other names.",
                    hint="Make a new one, and have the other machines trust it: intramuros tls renew --authority",
                )
        own = [name for name in own_names() if certificates.may_vouch(authority, name)]
        return tuple(dict.fromkeys([*self.public_names, *own]))

    def _is_good(self, server: bytes, authority: bytes, names: tuple[str, ...]) -> bool:
        said = certificates.facts(server)
        left_s = said.not_after - self._clock()
        return (
            left_s > certificates.RENEW_DAYS * DAY_S
            and said.names >= frozenset(names)
            and certificates.is_of(server, authority)
        )

    def _new_authority(self) -> Pair:
        names = [*self.public_names, *own_names()]
        host = next((name for name in names if name not in LOOPBACK), "localhost")
        pair = certificates.new_authority(f"Local authority of {host}", names, at=self._clock())
        return self._keep(AUTHORITY, pair)

    def _issue(self, authority: Pair, names: tuple[str, ...]) -> Pair:
        return self._keep(SERVER, certificates.issue(authority, names, at=self._clock()))

    def _kept(self, name: str) -> Pair | None:
        with self._database.read() as connection:
            value = facts.get(connection, name)
        if value is None:
            return None
        key = open_sealed(self._key, b64decode(value["key"]), context=name.encode())
        return Pair(b64decode(value["certificate"]), key)

    def _keep(self, name: str, pair: Pair) -> Pair:
        value = {
            "certificate": b64encode(pair.certificate).decode(),
            "key": b64encode(seal(self._key, pair.key, context=name.encode())).decode(),
        }
        with self._database.write(durable=True) as connection:
            facts.put(connection, name, value)
        return pair


def _shown(pair: Pair) -> Shown:
    return Shown(
        certificates.pem(pair.certificate), certificates.key_pem(pair.key), certificates.facts(pair.certificate)
    )


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The TLS {what} {path} can't be read: {error.strerror}.",
            hint="Name a PEM file that this user can read.",
        ) from error


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))


def certificates_for(app: App) -> Certificates:
    """Where the certificate of this installation's server comes from. Raises: SettingsError for half a pair."""
    settings = app.settings
    if settings.tls_certificate is None and settings.tls_key is None:
        return own_authority(app)
    if settings.tls_certificate is None or settings.tls_key is None:
        raise SettingsError(
            "TLS needs a certificate and its key, and only one of them is given.",
            hint="Set both INTRAMUROS_TLS_CERTIFICATE and INTRAMUROS_TLS_KEY, or neither: "
            "Intramuros then makes its own.",
        )
    return GivenFiles(settings.tls_certificate, settings.tls_key)


def own_authority(app: App) -> OwnAuthority:
    """The local authority of this installation."""
    return OwnAuthority(app.database, app.keys.data, public_names=app.settings.names)


def hosts_of(shown: Shown | None, public_names: Iterable[str]) -> frozenset[str]:
    """What a request's `Host` may say: loopback, what the certificate is for, and the public names."""
    names = [*(shown.facts.names if shown is not None else ()), *public_names]
    return LOOPBACK_HOSTS | {f"[{name}]" if ":" in name else name for name in names}
