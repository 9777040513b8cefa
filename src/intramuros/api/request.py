"""What every route of the doors needs: who asks, the open record of the request, and an answer in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry


def caller_of(request: Request) -> Caller:
    """Who asks; the guard has seen to it that there is someone."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def entry_of(request: Request) -> Entry:
    """The open audit record of this request."""
    entry: Entry = request.scope["state"]["entry"]
    return entry


def as_json(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(value), status_code=status, media_type="application/json", headers=headers)
