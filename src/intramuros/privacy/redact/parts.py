"""The parts of a message as its reader has them: texts side by side that together say what neither says alone are one.

Called by `chat`. A detector sees one text at a time, and an IBAN whose first half ends a part is in no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any

from intramuros.privacy.redact.finding import Finding

_BETWEEN = ("", " ", "\n")
"""What stands between two parts where a model's template puts them together."""

Look = Callable[[str], Sequence[Finding]]


def together(parts: Sequence[Any], look: Look) -> list[Any]:
    """The parts, fewer where something that `look` finds begins in one and ends in another."""
    whole = list(parts)
    for between in _BETWEEN:
        runs = [(is_text, list(run)) for is_text, run in groupby(whole, key=_is_text)]
        whole = [part for is_text, run in runs for part in (_joined(run, between, look) if is_text else run)]
    return whole


def _joined(parts: list[Any], between: str, look: Look) -> Iterator[Any]:
    if len(parts) < 2:
        yield from parts
        return
    texts = [_words(part) for part in parts]
    ends = accumulate(len(text) + len(between) for text in texts)
    found = look(between.join(texts))
    held = texts[0]
    for end, before, text in zip(ends, texts, texts[1:], strict=False):
        if any(f.start < end - len(between) and end < f.end and not _is_glued(f, between, before, text) for f in found):
            held += between + text
        else:
            yield {"type": "text", "text": held}
            held = text
    yield {"type": "text", "text": held}


def _is_glued(finding: Finding, between: str, before: str, after: str) -> bool:
    """Whether only the missing space makes a name of the next part's first word: "Dupont" and "Merci"."""
    return not between and finding.entity_type == "PERSON" and before[-1:].islower() and after[:1].isupper()


def _is_text(part: Any) -> bool:
    is_plain = isinstance(part, Mapping) and part.get("type") == "text" and set(part) == {"type", "text"}
    return isinstance(part, str) or (is_plain and isinstance(part["text"], str))


def _words(part: Any) -> str:
    return part if isinstance(part, str) else str(part["text"])
