"""What leaves for a host's model: pseudonymised, for that may be anywhere, unless an administrator says it is inside.

Called by the tools and resources. A result of theirs goes to whatever model the host has, which Intramuros doesn't see;
so it is treated as what goes to an upstream outside: names and identifiers get aliases, file names too, a secret or a
detector that fails refuses it. The aliases of a key stay the same, none is ever another value's, and what a host sends
back with them is understood, after a restart once they were given out again. `INTRAMUROS_MCP_HOSTS` decides,
`INTRAMUROS_MCP_INSIDE_KEYS` for single keys.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from intramuros.accounts.caller import Caller
from intramuros.api.mcp.call import Call
from intramuros.api.mcp.places import WITHIN
from intramuros.engines.engine import OUTSIDE
from intramuros.errors import OutsideNotAllowed
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.chat import ChatHider
from intramuros.privacy.redact.files import DOCUMENT
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.normalise import normalise
from intramuros.privacy.redact.redactor import Redactor
from intramuros.privacy.redact.restore import Restorer
from intramuros.security.crypto import derive
from intramuros.settings import Settings

PLAIN = frozenset({
    "uri", "uriTemplate", "mimeType", "type", "id", "document_id", "project_id", "mode", "model", "role", "nextCursor",
})  # fmt: skip
"""Fields of results that say nothing of anybody."""
NAMES = frozenset({"document", "name", "title"})
"""Fields with the name of a document or a project."""
MOST_KEYS, MOST_ALIASES = 256, 20_000
LETTERS = 8
"""Of an alias: a host keeps them for longer than this process does, and none may be of another value then."""


@dataclass(slots=True)
class Leaving:
    """The policy, and the aliases of each key: in memory only, and made again as they were from the key's secret."""

    settings: Settings
    redactor: Callable[[], Redactor]
    key: bytes = field(repr=False)
    _maps: OrderedDict[str, Aliases] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_inside(self, by: Caller) -> bool:
        """Whether the caller's host has its model inside the walls, by an administrator's word."""
        return self.settings.mcp_hosts == "inside" or (by.key_id or "") in self.settings.mcp_inside

    def check(self, by: Caller) -> None:
        """Raises: OutsideNotAllowed where nothing may go to this host."""
        if self.settings.mcp_hosts == "refused" and not self.is_inside(by):
            raise OutsideNotAllowed(
                "Documents may not go to MCP hosts here: their models may be outside.",
                hint="An administrator can allow a key whose host has its model inside: INTRAMUROS_MCP_INSIDE_KEYS.",
            )

    def understood(self, call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a host asks, with values in place of the aliases it was given."""
        if self.is_inside(call.by):
            return dict(arguments)
        values = dict(self._aliases(call.by).values)
        return {
            name: _restored(value, values) if isinstance(value, str) else value for name, value in arguments.items()
        }

    async def hidden(self, call: Call, result: dict[str, Any], *, names: Iterable[str] = ()) -> dict[str, Any]:
        """A result as this host may have it; `names` of projects or documents stand in its texts.

        Raises: DetectorFailed, TextBlocked, and nothing may be given then.
        """
        if self.is_inside(call.by):
            return result
        return await asyncio.to_thread(self._hidden, call, result, names)

    def _hidden(self, call: Call, result: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
        redactor = self.redactor().with_tiers(_Documents({*_named(result), *names}))
        hider = ChatHider(redactor, self._aliases(call.by))
        texts: list[str] = []
        _walked(result, lambda text: texts.append(text) or text)  # type: ignore[func-returns-value]
        hidden = iter(hider.hide_texts(texts))
        made: dict[str, Any] = _walked(result, lambda _: next(hidden))
        call.entry.note(route=OUTSIDE, policy=redactor.policy.version, masked=dict(hider.counts) or None)
        return made

    def _aliases(self, by: Caller) -> Aliases:
        who = by.credential
        with self._lock:  # calls of several hosts are hidden in threads of their own
            found = self._maps.get(who)
            if found is None or len(found.values) > MOST_ALIASES:
                found = self._maps[who] = Aliases(derive(self.key, "mcp aliases", salt=who.encode()), letters=LETTERS)
            self._maps.move_to_end(who)
            while len(self._maps) > MOST_KEYS:
                self._maps.popitem(last=False)
            return found


class _Documents:
    """Finds the names of documents, whatever they say."""

    name = "documents"

    def __init__(self, names: Iterable[str]) -> None:
        spelled = sorted({normalise(name).text for name in names if name.strip()}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, spelled))) if spelled else None

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Each place of each name."""
        if self._pattern is None:
            return []
        return [Finding(DOCUMENT, found.start(), found.end(), 1.0) for found in self._pattern.finditer(text)]


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            if name in NAMES and isinstance(held, str):
                yield held
            else:
                yield from _named(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from _named(held)


def _walked(value: Any, change: Callable[[str], str], name: str = "") -> Any:
    """The value with every text changed but those of fields that say nothing of anybody, always in the same order."""
    if isinstance(value, str):
        pieces = WITHIN.split(value)  # every second one is an address
        return (
            value
            if name in PLAIN
            else "".join(piece if number % 2 or not piece else change(piece) for number, piece in enumerate(pieces))
        )
    if isinstance(value, Mapping):
        return {key: _walked(held, change, key) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_walked(held, change, name) for held in value]
    return value


def _restored(text: str, values: Mapping[str, str]) -> str:
    restorer = Restorer(values)
    return restorer.feed(text) + restorer.close()
