"""The aliases of conversations that are going on: in memory only, gone with the process, the person or the project.

Called by whatever sends a conversation outside. The map and its key stand nowhere on disk: an erasure forgets them, and
with the key goes the way back. A conversation that was pushed out, or outlived the process, gets new aliases.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from intramuros.privacy.redact.aliases import Aliases
from intramuros.storage.erasable import Sample, Subject

MOST = 1_000
"""Conversations; the one longest not used goes first."""


@dataclass(frozen=True, slots=True)
class _Kept:
    project_id: str
    user_id: str
    aliases: Aliases = field(default_factory=Aliases)


class KeptAliases:
    """One map for each conversation. Threads may share it. It is the eraser of what it keeps."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, conversation_id: str, *, project_id: str, user_id: str) -> Aliases:
        """The conversation's aliases, made at its first use."""
        with self._lock:
            kept = self._kept.get(conversation_id)
            if kept is None or (kept.project_id, kept.user_id) != (project_id, user_id):
                kept = self._kept[conversation_id] = _Kept(project_id, user_id)
            self._kept.move_to_end(conversation_id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return kept.aliases

    def clear(self) -> None:
        """Forgets all of them: something was erased by another process, which can't say here what."""
        with self._lock:
            self._kept.clear()

    def count(self, subject: Subject) -> Mapping[str, int]:
        """How many aliases there are of a subject."""
        with self._lock:
            found = [self._kept[name] for name in self._of(subject)]
        return {"aliases": sum(len(kept.aliases.values) for kept in found)} if found else {}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """None: nothing of it is on disk."""
        return iter(())

    def erase(self, subject: Subject) -> None:
        """Forgets them with their keys. A document may be in any conversation, so it takes all of them."""
        with self._lock:
            for name in self._of(subject):
                del self._kept[name]

    def _of(self, subject: Subject) -> list[str]:
        match subject.kind:
            case "conversation":
                return [subject.id] if subject.id in self._kept else []
            case "user":
                return [name for name, kept in self._kept.items() if kept.user_id == subject.id]
            case "project":
                return [name for name, kept in self._kept.items() if kept.project_id == subject.id]
            case _:  # a document: which conversations it was in is not known here
                return list(self._kept)
