"""Speech, listening and drawing: what a back-end for them is, and what is said while none is installed.

Called by the audio and image routes, which have checked the request; built in `app.py`. A back-end is anything with the
method of its Protocol; it must run behind the same walls as an engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from intramuros.accounts.caller import Caller
from intramuros.errors import NoBackEnd
from intramuros.tasks.complete import CompleteTask

BackEnd = TypeVar("BackEnd")


class Speaks(Protocol):
    """Reads a text aloud."""

    def speak(self, request: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """The audio, piece by piece. `request`: `input`, `voice`, `response_format`, `speed`, `instructions`."""
        ...


class Listens(Protocol):
    """Writes down what is said."""

    async def listen(self, audio: bytes, request: Mapping[str, Any], *, translates: bool) -> Mapping[str, Any]:
        """`text`, for `verbose_json` also `language`, `duration`, `segments`; in English if it `translates`."""
        ...


class Draws(Protocol):
    """Makes pictures."""

    async def draw(self, request: Mapping[str, Any], *, images: Sequence[bytes], mask: bytes | None) -> Sequence[bytes]:
        """The pictures of a `prompt`, or made from `images`: changed as it says, or varied where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class MediaTask:
    """The back-ends that are installed; None: there is none. `complete` knows the rights."""

    complete: CompleteTask
    speaks: Speaks | None = None
    listens: Listens | None = None
    draws: Draws | None = None

    def speaker(self, model: str, by: Caller) -> Speaks:
        """Raises: NoBackEnd, NotAllowed for a model the caller's key may not use."""
        return self._installed(self.speaks, "speech", model, by)

    def listener(self, model: str, by: Caller) -> Listens:
        """Raises: as `speaker`."""
        return self._installed(self.listens, "transcription", model, by)

    def drawer(self, model: str, by: Caller) -> Draws:
        """Raises: as `speaker`."""
        return self._installed(self.draws, "images", model, by)

    def _installed(self, back_end: BackEnd | None, kind: str, model: str, by: Caller) -> BackEnd:
        self.complete.check_model(model, by)
        if back_end is None:
            raise NoBackEnd(
                f"No back-end for {kind} is installed; the request itself is in order.",
                hint="This version has none yet: docs/known-limits.md says what there is.",
                kind=kind,
            )
        return back_end
