"""Names of files: one that says who someone is is hidden whole, and what a source is called never leaves.

Called by the redactor, after its tiers. A file's name has no spaces where a text would (`Lettre_Jean_Dupont.pdf`), so
it is read once more as a text would have it, and what is found there is hidden with everything up to the extension.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import has

DOCUMENT = "DOCUMENT"
"""The kind of a document's name."""

_KNOWN = (
    r"(?:pdf|docx?|docm|dotx?|odt|ods|odp|rtf|txt|md|markdown|csv|tsv|xlsx?|xlsm|pptx?|html?|xml|json|eml|msg|pages"
    r"|numbers|key|epub|png|jpe?g|gif|tiff?|bmp|webp|heic|svg|zip|gz|7z|rar|tar|mp3|mp4|m4a|wav|mov|vcf|ics|log|p7m)"
)
_EXTENSION = re.compile(
    rf"\.(?=[A-Za-z7\u0130\u0131\u017f\u212a]){_KNOWN}(?:\.{_KNOWN})*(?!\w)",
    re.IGNORECASE,
)
_MAY_HAVE_EXTENSION = has(b".a", b".A", b".7", b".?")
_NO_FILE = re.compile(r"[\n\t/\\\"<>|:;«»⟦⟧]")
_UNDERSCORED = re.compile(r"(?<![^\W_])[^\W_][\w.'-]{0,118}_[\w.'-]{0,118}[^\W_]")
_SOURCE = re.compile(r"<source number=\d{1,9}>\n([^\n]+)")
"""The heading `retrieval.prompt` writes above each source."""
_SPACED = str.maketrans("_-.+~", "     ")
_BARE = str.maketrans("_-.+~0123456789", " " * 15)
_HUMP = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")
_LONGEST = 120

Look = Callable[[str], Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class _Name:
    """What may be the name of a file: its last word, without spaces, begins at `last`; its stem ends at `stem`."""

    start: int
    last: int
    stem: int
    end: int
    has_extension: bool


def source_names(text: str) -> Iterator[Finding]:
    """What the sources of an answer are called: all of them, whatever they say."""
    if "<source " in text:
        for match in _SOURCE.finditer(text):
            heading = match.group(1)
            name = heading.partition(" › ")[0] if " › " in heading else heading.rpartition(", p. ")[0] or heading
            yield Finding(DOCUMENT, match.start(1), match.start(1) + len(name), 1.0)


def file_names(text: str, look: Look) -> Iterator[Finding]:
    """Names of files in which `look` finds something once they are written as a text would be."""
    names = list(_names(text))
    for spell in (_spaced, _in_capitals):  # apart: what is small in one spelling is no proof that it is no name
        read: list[str] = []
        places: list[int] = []
        owners: list[tuple[_Name, bool]] = []
        length = 0
        for name in names:
            for spelled, is_in_place in spell(text, name):
                read.append(spelled)
                places.append(length)
                owners.append((name, is_in_place))
                length += len(spelled) + 2
        for finding in look("\n\n".join(read)) if read else ():
            at = bisect_right(places, finding.start) - 1
            name, is_in_place = owners[at]
            start = name.start + finding.start - places[at] if is_in_place else name.last
            end = name.start + finding.end - places[at] if is_in_place else name.end
            if end <= name.last:
                continue  # a word of the sentence before: the tiers saw it as it is
            first = max(name.start, text.rfind(" ", 0, start + 1) + 1)
            yield Finding(DOCUMENT, min(first, name.last), name.end, 1.0)


def _names(text: str) -> Iterator[_Name]:
    ended = 0
    for match in _EXTENSION.finditer(text) if _MAY_HAVE_EXTENSION(text) else ():
        before = text[max(ended, match.start() - _LONGEST) : match.start()]
        if not before or not (before[-1].isalnum() or before[-1] in "_-)~"):
            continue
        start = match.start() - len(before)
        for stop in _NO_FILE.finditer(before):
            start = match.start() - len(before) + stop.end()
        if start < match.start():
            last = max(start, text.rfind(" ", start, match.start()) + 1)
            yield _Name(start, last, match.start(), match.end(), has_extension=True)
        ended = match.end()
    for match in _UNDERSCORED.finditer(text) if "_" in text else ():
        if not match.group().islower():  # a variable of a programme
            yield _Name(match.start(), match.start(), match.end(), match.end(), has_extension=False)


def _spaced(text: str, name: _Name) -> Iterator[tuple[str, bool]]:
    """The name as texts would have it, and whether each of its letters stands where it stood."""
    sentence, last = text[name.start : name.last], text[name.last : name.stem]
    spaced, bare = last.translate(_SPACED), last.translate(_BARE)
    yield sentence + spaced, True
    if bare != spaced:
        yield sentence + bare, True
    if (humps := _HUMP.sub(" ", bare)) != bare:
        yield " ".join(humps.split()), False


def _in_capitals(text: str, name: _Name) -> Iterator[tuple[str, bool]]:
    """The name where somebody wrote it small."""
    if name.has_extension:
        yield " ".join(text[name.last : name.stem].translate(_BARE).title().split()), False
