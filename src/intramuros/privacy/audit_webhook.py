"""A second place for the audit's checkpoints at a web address: each is posted as it is signed.

Made by `app` where the setting `audit_copy` is an address, used by the audit's copying thread. The address is on the
allow-list because an administrator named it; only its host is reached, through `privacy.egress`. Like syslog it only
takes: what the other side holds is compared with `intramuros audit verify --copy FILE`.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import dataclass

from yarl import URL

from intramuros.errors import EgressRefused, SettingsError
from intramuros.privacy.egress import Egress, Rule, as_connection_errors

WAIT_S = 10.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes one JSON line a request; a `2xx` answer says that it is safe there."""

    url: URL
    token: str | None
    egress: Egress

    @property
    def name(self) -> str:
        """The host; the rest of an address may be a secret."""
        return f"{self.url.scheme}://{self.url.host}:{self.url.port}"

    @property
    def is_there(self) -> bool:
        """Yes: whether it answers shows with the first checkpoint."""
        return True

    def try_it(self) -> None:
        """Asks for the address's options: any answer will do. Raises: OSError if there is none."""
        self._run("OPTIONS", None)

    def append(self, line: str) -> None:
        """Posts a line. Raises: OSError unless the other side says that it has it."""
        status = self._run("POST", line.encode())
        if not 200 <= status < 300:
            raise OSError(errno.EIO, f"it answers with status {status}")

    def lines(self) -> Iterator[str]:
        """None: it can't be read back."""
        return iter(())

    def last(self) -> str | None:
        """None."""
        return None

    def _run(self, method: str, body: bytes | None) -> int:
        try:
            return asyncio.run(self._send(method, body))
        except (ConnectionError, EgressRefused) as error:
            raise OSError(errno.EHOSTUNREACH, str(error)) from error

    async def _send(self, method: str, body: bytes | None) -> int:
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        with as_connection_errors():
            async with (
                self.egress.session(total_timeout_s=WAIT_S) as session,
                session.request(method, self.url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                return response.status


def webhook(setting: str, *, token: str | None, egress: Egress) -> Webhook:
    """The place an address names; its host may lie in the organisation's own network.

    Raises: SettingsError unless it is `https://…`, or `http://…` on this machine, without a name or password in it.
    """
    try:
        url = URL(setting)
        host, port = url.raw_host, url.port
    except ValueError:
        host = port = None
    is_safe = host is not None and (url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK))
    if host is None or port is None or not is_safe or url.user or url.password:
        raise SettingsError(
            "INTRAMUROS_AUDIT_COPY is no address that checkpoints could be sent to.",
            hint="Write it like https://audit.firm.example/intramuros; a token goes into INTRAMUROS_AUDIT_COPY_TOKEN.",
        )
    rule = Rule(host, url.scheme, port, private=True)
    return Webhook(url, token, egress.permitting([rule], reason="the audit's second place"))
