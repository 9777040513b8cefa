"""Tells what a model thinks from what it answers, where it marks its thoughts as many do: `<think>…</think>`.

Used by the worker alone.
"""

from __future__ import annotations

from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"
REASONING, CONTENT = "reasoning_content", "content"


@dataclass(slots=True)
class Thoughts:
    """One answer on its way. `is_inside`: the prompt itself has opened the thoughts."""

    is_inside: bool = False
    _is_sure: bool = False
    """It is known whether the answer begins with thoughts."""
    _begins: bool = False
    """What comes next begins a part: white space before it is not its own."""
    _held: str = ""

    def __post_init__(self) -> None:
        self._is_sure = self._begins = self.is_inside

    def push(self, text: str) -> list[tuple[str, str]]:
        """Takes the next piece; what can go out, each with the field it belongs to."""
        self._held += text
        out: list[tuple[str, str]] = []
        if not self._is_sure:
            start = self._held.lstrip()
            if start.startswith(OPEN):
                self._held, self.is_inside, self._begins = start[len(OPEN) :], True, True
            elif OPEN.startswith(start):
                return []
            self._is_sure = True
        if self.is_inside:
            inside, mark, after = self._held.partition(CLOSE)
            if mark:
                out += self._part(REASONING, inside.rstrip())
                self._held, self.is_inside, self._begins = after, False, True
            else:
                kept = next((n for n in range(len(CLOSE) - 1, 0, -1) if inside.endswith(CLOSE[:n])), 0)
                self._held = inside[len(inside) - kept :]
                return out + self._part(REASONING, inside[: len(inside) - kept])
        text, self._held = self._held, ""
        return out + self._part(CONTENT, text)

    def rest(self) -> list[tuple[str, str]]:
        """What was held back, once the answer is over."""
        text, self._held, self._is_sure = self._held, "", True
        return self._part(REASONING if self.is_inside else CONTENT, text)

    def _part(self, name: str, text: str) -> list[tuple[str, str]]:
        text = text.lstrip() if self._begins else text
        self._begins = self._begins and not text
        return [(name, text)] if text else []


def is_open(prompt: str) -> bool:
    """Whether a prompt ends within thoughts that it has opened."""
    return prompt.rstrip().endswith(OPEN)
