"""Names that the form of a text gives away: lines of a chat, "… wrote:".

Called by `names`. Here a name needs no capital: who writes in a chat does so under any name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.capitals import UPPER
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.outline import has
from intramuros.privacy.redact.words import NOT_NAMES, SURNAMES_TOO, phrases

_CHAT = re.compile(
    r"^[ \t>]{0,4}(?:"
    r"\[?(?:[^\W\d_]{2,10}\.?,? )?(?:[0-9]{1,4}[./-][0-9]{1,2}(?:[./-][0-9]{2,4})?,? (?:à "
    r"|at )?)?[0-9]{1,2}[:h.][0-9]{2}(?::[0-9]{2})?\]?"
    r"(?: ?[ap]m)?\]?(?: ?-)? {1,4}<?(?P<after>[^\W\d_][^\n:<>\[\]{}()=/\\;]{0,39}?)(?:>? ?:| >)(?= |\n|$)|"
    r"\[?(?P<before>[^\W\d_][^\n:<>\[\]{}()=/\\;,]{0,39}?),? {1,3}[(\[]?[0-9]{1,2}[:h][0-9]{2}(?::[0-9]{2})?"
    r"(?: ?[AaPp][Mm])?[)\]]?(?: ?[:\n]|(?<=\]) (?=[^\n])))",
    re.MULTILINE,
)
_TIME = re.compile(r"[0-9][:h.][0-9]{2}")
_HAS_TIME = has(b"0:00", b"0.00", b"0a00")
_CHAT_NAME = re.compile(r"[\w'’-]{2,30}(?:\.[\w-]{1,20})?(?: [\w'’.-]{1,30}){0,3}")
_PARTS = re.compile(r"[^\W\d_][\w'-]{2,30}")
_MENTION = re.compile(r"(?<![\w.@/-])(@?)([^\W\d_][\w'-]{2,30})(?![\w@/]|\.\w)")
_ELDERS = re.compile(
    r"(?<!\w)(?:nonn[ao]|zi[ao]|oma|opa|tante|onkel|tata|mamie|papi|tonton|aunt|uncle|granny|suor|schwester|mamma) $",
    re.I,
)
_WORDS_TOO = frozenset(
    """
    ambre angelique anis armando assunta axel baptiste batiste beryl camelia candice carina carole clemence costanza
    desideria dirk domenica fedele florin fortunato franca fulvia germain giada jean lazar lutz maia malo marina melodie
    mila moise morena myrtle narcisse nick oscar otto paloma patrice peter pierrette ramadan regina robin romain romaine
    rosaria rosetta sally serena serge suzette sylvain sylvestre tranquillo velia willy
    """.split()  # noqa: SIM905
)
"""First names that are words where they are written small."""
_LOG_LEVELS = frozenset(
    phrases(
        """
    info | warn | warning | error | debug | trace | fatal | notice | critical | kernel | system | start | end | début |
    fin | beginn | ende | inizio | fine | pause | note | total | to | from
        """
    )
)
_WROTE = re.compile("a écrit|ha scritto|wrote|schrieb")


def formed(text: str) -> Iterator[Finding]:
    """Every name that a form gives away."""
    yield from _chat(text)
    yield from _quoted(text)


def _chat(text: str) -> Iterator[Finding]:
    """Who speaks in a chat; only where at least two lines have its form."""
    times = [time.start() for time in _TIME.finditer(text)] if "\n" in text and _HAS_TIME(text) else []
    if len(times) < 2:
        return
    spoken = [
        (match.start(group), match.end(group))
        for match in _lines_with(text, times)
        for group in ("after", "before")
        if match.group(group)
    ]
    spoken = [(start, end) for start, end in spoken if _is_speaker(text[start:end])]
    if len(spoken) < 2:
        return
    for start, end in spoken:
        yield Finding("PERSON", start, end, 0.75)
    yield from _spoken_of(text, {text[start:end] for start, end in spoken})


def _lines_with(text: str, times: Sequence[int]) -> Iterator[re.Match[str]]:
    """Lines of a chat; each has a time of day."""
    ended = 0
    for time in times:
        if time < ended:
            continue
        start = text.rfind("\n", 0, time) + 1
        match = _CHAT.match(text, start) if start >= ended else None
        end = text.find("\n", time)
        ended = max(match.end() if match else 0, end if end >= 0 else len(text))
        if match:
            yield match


def _spoken_of(text: str, speakers: set[str]) -> Iterator[Finding]:
    """Whom a chat speaks of: who writes in it, also "@kim", first names in small letters, "nonna ada"."""
    names = {fold(part) for name in speakers for part in _PARTS.findall(name)}
    names = {name for name in names if name not in NOT_NAMES and (len(name) > 3 or name in FIRST_NAMES)}
    for match in _MENTION.finditer(text):
        sign, word = match.groups()
        folded = fold(word)
        if folded in names:
            is_meant = bool(sign) or folded not in AMBIGUOUS or word[0].isupper()
        else:
            is_meant = word.islower() and _is_first_name(folded)
        if not is_meant and word.islower() and folded in FIRST_NAMES:
            is_meant = _ELDERS.search(text[max(0, match.start() - 10) : match.start()]) is not None
        if is_meant:
            yield Finding("PERSON", match.start(2), match.end(2), 0.62)


def _is_first_name(folded: str) -> bool:
    return len(folded) > 3 and folded in FIRST_NAMES and folded not in AMBIGUOUS and folded not in _WORDS_TOO


def _is_speaker(name: str) -> bool:
    if not _CHAT_NAME.fullmatch(name):
        return False
    words = [fold(word) for word in name.split()]
    return not any(word in _LOG_LEVELS or (word in NOT_NAMES and word not in SURNAMES_TOO) for word in words)


def _quoted(text: str) -> Iterator[Finding]:
    """ "Le 12 mars 2025 à 08:41, Anne Dupont a écrit :"."""
    if not ("a écrit" in text or "ha scritto" in text or "wrote" in text or "schrieb" in text):
        return
    place = 0
    for line in text.split("\n"):
        if len(line) < 300 and _WROTE.search(line):
            yield from _writer(line, place)
        place += len(line) + 1


_BEFORE_WROTE = re.compile(
    rf"(?P<name>[{UPPER}][\w'’.-]{{0,30}}(?:,? [{UPPER}][\w'’.-]{{0,30}}){{0,4}}) ?(?:<[^>\n]{{1,80}}> ?)?"
    r"(?:a écrit|ha scritto|wrote) ?:"
)
_AFTER_WROTE = re.compile(rf"schrieb (?P<name>[{UPPER}][\w'’.-]{{0,30}}(?:,? [{UPPER}][\w'’.-]{{0,30}}){{0,4}})")


def _writer(line: str, place: int) -> Iterator[Finding]:
    for pattern in (_BEFORE_WROTE, _AFTER_WROTE):
        if (match := pattern.search(line)) and fold(match.group("name").split()[0]) not in NOT_NAMES:
            yield Finding("PERSON", place + match.start("name"), place + match.end("name"), 0.85)
