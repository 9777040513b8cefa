"""What a client is told of an exception: of the product's own errors all, of any other a reference into the log.

Called by the guard for whatever a route raises, and by streams that fail in the middle.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import traceback

from starlette.exceptions import HTTPException

from intramuros.errors import BadRequest, IntramurosError, NotFound, NotSignedIn

log = logging.getLogger("intramuros.server")


def known(raised: Exception) -> IntramurosError:
    """The error to answer with, for anything a route may raise."""
    if isinstance(raised, IntramurosError):
        return raised
    if isinstance(raised, HTTPException):
        return _of_status(raised.status_code)
    return unexpected(raised)


def unexpected(raised: Exception) -> IntramurosError:
    """A fault of ours: the client gets a reference, the log the place, and neither any value that was there."""
    reference = secrets.token_hex(4)
    frames = "".join(
        f"\n  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(raised.__traceback__)
    )
    log.error("Unexpected %s, reference %s%s", type(raised).__name__, reference, frames)
    return IntramurosError(
        f"Something went wrong inside Intramuros (reference {reference}).",
        hint="The server's log has the place under this reference.",
        reference=reference,
    )


def stopping() -> IntramurosError:
    """The server ends, and with it what was being answered."""
    error = IntramurosError("The server is stopping.", hint="Try again in a moment.", code="server_stopping")
    error.status, error.retry = 503, True
    return error


def access_ended() -> IntramurosError:
    """Whoever asked may not any more: suspended, signed out, or demoted."""
    return NotSignedIn("Your access to this has just ended.", hint="Sign in again.", code="access_ended")


def cut(error: asyncio.CancelledError) -> IntramurosError:
    """Why a request was cancelled while it answered: what the access watch said, or the server ends."""
    [said] = error.args or (None,)
    return said if isinstance(said, IntramurosError) else stopping()


def _of_status(status: int) -> IntramurosError:
    if status == 404:
        return NotFound("There is nothing at this address.")
    if status == 405:
        error = BadRequest("This address does not take this method.", code="method_not_allowed")
    else:
        error = BadRequest("The request can't be answered.", code=f"status_{status}")
    error.status = status
    return error
