"""The refusal of a request by a limit: whose it is, which one, and when it ends. Called by `accounts.usage`."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Protocol

from intramuros.accounts.rights import Limit
from intramuros.errors import QuotaReached, TooMany


class Room(Protocol):
    """What the limit leaves."""

    @property
    def what(self) -> str:
        """requests, tokens or euros."""
        ...

    @property
    def period(self) -> str:
        """minute, day or month."""
        ...

    @property
    def limit(self) -> float:
        """How much there is in that time."""
        ...

    @property
    def reset_s(self) -> float:
        """Seconds until more may come."""
        ...


def refused(limit: Limit, room: Room, *, at: float) -> TooMany:
    """The error, with `retry_after_s` and the moment it resets in its details."""
    wait_s = ceil(room.reset_s)
    code = f"{limit.kind}_{room.what}_per_{room.period}"
    who, has, its = _words(limit)
    if room.what == "requests":
        return TooMany(
            f"{who} may send {room.limit:.0f} requests a minute.",
            hint=f"Try again in {wait_s} s, or ask an administrator to raise the limit.",
            code=code,
            retry_after_s=wait_s,
        )
    ends = datetime.fromtimestamp(at + room.reset_s, UTC)
    amount = f"{room.limit:.0f} tokens" if room.what == "tokens" else f"budget of {room.limit:.2f} euros"
    return QuotaReached(
        f"{who} {has} used {its} {amount} of this {room.period}.",
        hint=f"It resets on {ends:%Y-%m-%d at %H:%M} UTC. Wait until then, or ask an administrator to raise the limit.",
        code=code,
        retry_after_s=wait_s,
        resets_at=ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _words(limit: Limit) -> tuple[str, str, str]:
    match limit.kind:
        case "key":
            return "This key", "has", "its"
        case "user":
            return "You", "have", "your"
        case _:
            return f"The {limit.kind} {limit.name}".rstrip(), "has", "its"
