"""One request and its answer as the guard sees them: bytes counted on the way in, headers added on the way out.

Called by the guard. Knows no routes and no callers.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Message, Receive, Send

from intramuros.api.connected import ClientGone
from intramuros.errors import BadRequest, IntramurosError, TooLarge
from intramuros.server.headers import Headers, with_security
from intramuros.server.patience import Patience

BODY_SILENCE_S = 30.0
BODY_BYTES_PER_S = 2048
"""How fast a body must come on the whole, after the first silence that is allowed: 16 kbit/s."""

SEND_SILENCE_S = 60.0
DRAIN_BYTES = 64 * 2**20
DRAIN_S = 10.0


class Exchange:
    """Wraps `receive` and `send` of one request.

    `status` is what was answered (0: nothing yet), `is_complete` whether to its end, `refusal` why reading stopped,
    `is_cut` whether because the caller may no longer ask this.
    `added` are headers the answer is to have besides its own, `added_late` what more there is when it begins.
    """

    __slots__ = (
        "_body_bytes",
        "_body_read",
        "_limit_bytes",
        "_patience",
        "_reading_since",
        "_receive",
        "_security",
        "_send",
        "added",
        "added_late",
        "is_complete",
        "is_cut",
        "refusal",
        "status",
    )

    def __init__(
        self, receive: Receive, send: Send, *, limit_bytes: int, security: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self._receive, self._send = receive, send
        self._limit_bytes, self._security = limit_bytes, security
        self._body_bytes, self._body_read = 0, False
        self._reading_since: float | None = None
        self._patience = Patience()
        self.status, self.is_complete, self.is_cut = 0, False, False
        self.refusal: IntramurosError | None = None
        self.added: Headers = []
        self.added_late: Callable[[], Headers] | None = None

    def check_length(self, declared: str | None) -> None:
        """Refuses a body whose declared length is over the limit. Raises: TooLarge."""
        if declared is not None and declared.isdecimal() and int(declared) > self._limit_bytes:
            raise self._too_large()

    @property
    def is_received(self) -> bool:
        """Whether the body has come to its end."""
        return self._body_read

    @property
    def body_bytes(self) -> int:
        """How much of the body has come."""
        return self._body_bytes

    async def receive(self) -> Message:
        """The next part of the body, then the disconnect.

        Raises: TooLarge, BadRequest when the sender falls silent or sends a byte now and then.
        """
        if self.is_cut and self.refusal:
            raise self.refusal
        if self._body_read:
            return await self._receive()
        try:
            with self._patience.of(self._patience_s()):
                message = await self._receive()
        except TimeoutError:
            self.refusal = BadRequest(
                f"The body came too slowly: under {BODY_BYTES_PER_S} bytes/s, or a pause of {BODY_SILENCE_S:.0f} s.",
                code="body_too_slow",
            )
            raise self.refusal from None
        if message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            self._body_read = not message.get("more_body", False)
            if self._body_bytes > self._limit_bytes:
                self.refusal = self._too_large()
                raise self.refusal
        else:
            self._body_read = True
        return message

    def _patience_s(self) -> float:
        """How long the next part may take: a pause at most, and no longer than the rate on the whole allows."""
        at = self._patience.at
        if self._reading_since is None:
            self._reading_since = at
        allowed_s = BODY_SILENCE_S + self._body_bytes / BODY_BYTES_PER_S
        return min(BODY_SILENCE_S, max(self._reading_since + allowed_s - at, 0.0))

    async def send(self, message: Message) -> None:
        """Passes the answer on, with the headers that every answer has.

        Raises: ClientGone when the client reads nothing for a minute: an engine must not wait for it.
        """
        if message["type"] == "http.response.start":
            self.status = message["status"]
            late = self.added_late() if self.added_late else ()
            message["headers"] = with_security([*message.get("headers", ()), *self.added, *late], self._security)
            await self._send(message)  # at once: the server keeps it until the body begins
            return
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
        try:
            with self._patience.of(SEND_SILENCE_S):
                await self._send(message)
        except TimeoutError:
            self.is_complete = False
            raise ClientGone from None

    async def drain(self) -> None:
        """Reads what is left of a refused body and forgets it, so that the sender gets to read the refusal."""
        taken = 0
        try:
            with self._patience.of(DRAIN_S):
                while not self._body_read and taken < DRAIN_BYTES:
                    message = await self._receive()
                    taken += len(message.get("body", b""))
                    self._body_read = message["type"] != "http.request" or not message.get("more_body", False)
        except TimeoutError:
            self._body_read = True

    def end(self) -> None:
        """The request is over: no timer is left behind."""
        self._patience.end()

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The request is larger than {self._limit_bytes // 2**20} MiB.",
            hint="Send less, or raise the limit: INTRAMUROS_REQUEST_MIB, for documents INTRAMUROS_UPLOAD_MIB.",
        )
