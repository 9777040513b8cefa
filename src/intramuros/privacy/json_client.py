"""Asks web addresses for small JSON objects, through the one door to the network.

Used by the sign-in with OpenID Connect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from intramuros.errors import EgressRefused, SignInServiceFailed
from intramuros.privacy.egress import Egress, as_connection_errors

MOST_BYTES = 2**20
WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class JsonClient:
    """Reaches the allowed hosts only, follows no redirect and reads no more than a megabyte."""

    egress: Egress

    async def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The object that the address answers, to a GET or to a POST of the form. Raises: SignInServiceFailed."""
        try:
            status, body = await self._asked(url, form, {"accept": "application/json", **(headers or {})})
        except EgressRefused as error:
            raise SignInServiceFailed(
                error.message, hint="Allow its host: INTRAMUROS_EGRESS_ALLOWED", code="sign_in_service_not_allowed"
            ) from error
        except ConnectionError as error:
            raise SignInServiceFailed(f"The sign-in service can't be reached: {error}.") from error
        try:
            found = orjson.loads(body)
        except ValueError:
            found = None
        if status != 200 or not isinstance(found, dict):
            raise SignInServiceFailed(f"The sign-in service answers with status {status}.")
        return found

    async def _asked(self, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        method = "GET" if form is None else "POST"
        with as_connection_errors():
            async with (
                self.egress.session(total_timeout_s=WAIT_S) as session,
                session.request(method, url, data=form, headers=headers, allow_redirects=False) as response,
            ):
                body = await response.content.read(MOST_BYTES + 1)
                while len(body) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES)):
                    body += more
                if len(body) > MOST_BYTES:
                    raise ConnectionError("its answer is too long")
                return response.status, body
