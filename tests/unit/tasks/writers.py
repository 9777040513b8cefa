"""An engine that writes what a test says, counts words as tokens and has a context of a given length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.engines.engine import Health
from tests.scripted import ScriptedEngine


@dataclass
class Writer(ScriptedEngine):
    """Writes `says`, some characters at a time."""

    says: str = ""
    context_tokens: int = 4096
    characters: int = 7

    def __post_init__(self) -> None:
        self.say(self.says)

    def say(self, text: str) -> None:
        self.words = [text[at : at + self.characters] for at in range(0, len(text), self.characters)]

    async def tokenise(self, text: str) -> list[int]:
        return list(range(len(text.split())))

    async def health(self) -> Health:
        return Health("ready", context_tokens=self.context_tokens)


def said(messages: Sequence[dict[str, str]]) -> int:
    """The words of a chat: what `Writer` counts."""
    return sum(len(message["content"].split()) for message in messages)
