"""Names that no list knows, where persons are spoken of: by their letters, and by where they stand.

Called by `names`. Only near persons found otherwise: a manual or a program has unknown words with a capital too, and
no persons. The weaker the place, the more the letters must say.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intramuros.privacy.redact.around import ARTICLES, RELATIONS, VERB_BEGINS, word_before
from intramuros.privacy.redact.capitals import UPPER, Token, name_length
from intramuros.privacy.redact.common import COMMON
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.letters import likeness
from intramuros.privacy.redact.surnames import SURNAMES
from intramuros.privacy.redact.words import GREETINGS, LEGAL_FORMS, NOT_NAMES, PLACES_BEFORE, phrases

_NEAR = 800
_FEWEST = 3
_SURE = 0.55
_CELLS = 4
_LIKELY = -1.0
_LONGEST = 18
NONE = COMMON | NOT_NAMES | GREETINGS | LEGAL_FORMS | PLACES_BEFORE | RELATIONS | VERB_BEGINS
_BEGINS = GREETINGS | NOT_NAMES
_ENOUGH = {"list": -2.5, "strong": -2.0, "with": -2.0, "acts": -2.5, "inside": -1.5, "anywhere": 1.0, "opens": 5.0}
"""What the letters must say of one word, by where it stands."""
_PAIR, _OF_PAIR = -2.5, -4.5
"""What they must say of two words together, and of each."""
_KNOWN, _NOUN, _BESIDE, _OWNED = 4.0, -1.0, 0.5, 9.0
_AFTER_OF, _AFTER_PLACE, _AFTER_ADJECTIVE, _IN_GERMAN = 1.0, 4.0, 1.0, 1.0
_WITH = frozenset(
    phrases(
        """
        mit | von | durch | gemass | laut | fur | an | avec | par | selon | chez | pour | d'apres | con | secondo |
        per | with | by | for | and | und | et | e
        """
    )
)
"""What stands before persons more than before things, folded."""
_OF = frozenset({"de", "d", "di", "of", "a", "to", "da", "from", "su"})
_PLACE = frozenset(
    phrases(
        "in | im | aus | nach | ab | bis | via | uber | au | en | vers | depuis | ad | verso | at | near | sur | on"
    )
)
_DOES = frozenset(
    phrases(
        """
        hat | hatte | ist | war | wird | kann | konnte | muss | will | wollte | soll | sollte | mochte | kommt | kam |
        geht | ging | macht | bringt | brachte | fahrt | fuhr | sagt | meint | leitet | holt | hilft | half |
        ubernimmt | a | est | sera | avait | etait | va | vient | veut | voulait | doit | peut | fait | prend | dit |
        trouve | ha | e | era | sara | aveva | viene | vuole | deve | puo | fa | prende | dice | porta | is | was |
        has | had | would | can | could | wants | said | says | isn't | wasn't | didn't | doesn't | does | did
        """
    )
)
"""What persons do, and things too."""
_MAY_FOLLOW = _DOES | {"und", "et", "and", "&", "sowie", "/"}
_ARTICLE = frozenset(f" {article} " for article in ARTICLES - {"du", "ma", "mon", "a"} if len(article) in {2, 3})
_OPENING = frozenset({". ", ": ", "? ", "! ", "- ", "• ", "* ", "\n ", "\t "})
_ADJECTIVE = re.compile(r"[a-zà-ÿ]{2,}(?:e|en|er|es|em)")
_LINK = re.compile(r"(?:,? (?:und|et|e|and|&|sowie|ainsi que|ou|oder|or|o) |, | ?/ ?|; )")
_LONGEST_LINK = 14
_SURE_LINK = re.compile(r",? (?:und|et|e|and|&) | ?/ ?")
_OPENS = re.compile(r"(?:^|[.!?:;•*|>\n\t][\"»)]?|(?:^|\s)-)\s*$")
_GERMAN = re.compile(r" (?:und|nicht|ist|für|wird|wurde|isch) ")
_CELL = re.compile(rf"[{UPPER}][\w'-]{{1,24}}(?: [{UPPER}][\w'.-]{{0,24}}){{0,2}}")
_QUOTED = frozenset('"«„“‚`*#$<>{}[]_\\@=+')
_CODE = _QUOTED | frozenset("(/")
_WORD_ENDS = (
    *(
        "ung",
        "ungen",
        "heit",
        "keit",
        "schaft",
        "tion",
        "tionen",
        "tions",
        "ment",
        "ments",
        "ing",
        "ings",
        "nis",
        "tat",
    ),
    *("ance", "ence", "zione", "zioni", "mento", "menti", "ness", "itat", "ions", "zeit", "geld", "kosten", "vertrag"),
)
"""How words end and names do not."""
_TWO_CAPITALS = ("Mc", "Mac", "De", "Di", "Da", "La", "Le", "Ni", "El", "Al", "Van", "O'", "D'")


Met = tuple[int, int, str, list[Token] | None]
"""A run of words with a capital: its place, the word folded if it is one, and its tokens if they were looked at."""


@dataclass(slots=True)
class _Stranger:
    """Words with a capital that nobody knows: what their letters say, the least of them if there are several."""

    start: int
    end: int
    words: int
    likeness: float


def strangers(text: str, runs: Sequence[Met], found: Sequence[Finding]) -> list[Finding]:
    """Who else stands near the persons found."""
    persons = sorted([(f.start, f.end) for f in found if f.score >= _SURE and f.entity_type == "PERSON"])
    if not persons or not runs:
        return []
    result = list(_in_columns(text, persons))
    is_short = len(text) <= _NEAR
    several = len({text[start:end] for start, end in persons})
    named: list[tuple[int, int]] = []
    if several < _FEWEST or not is_short:
        named = [(start, end) for start, end, folded, _ in runs if folded in SURNAMES]
        several = len({text[start:end] for start, end in (*persons, *named)})
    if several < _FEWEST:
        known = set(persons)
        pairs = [run for run in runs if run[3] and len(run[3]) == 2 and run[:2] not in known]
        if several + len(pairs) < _FEWEST:
            return result
        named += _pairs(pairs)
        several = len({text[start:end] for start, end in (*persons, *named)})
        if several < _FEWEST:
            return result
    is_german = _GERMAN.search(text) is not None
    around = None if is_short else sorted({start for start, _ in (*persons, *named)})
    met = list(_met(text, runs, persons, around, is_german))
    result += [Finding("PERSON", s.start, s.end, 0.6) for s in met if _stands_as_person(text, s, is_german)]
    return [*result, *_listed(text, met, [*persons, *((f.start, f.end) for f in result)], is_german)]


def _met(
    text: str, runs: Sequence[Met], persons: Sequence[tuple[int, int]], around: Sequence[int] | None, is_german: bool
) -> Iterator[_Stranger]:
    """What no finding covers and can be a name; near enough to where persons begin, if that is said."""
    at, count = 0, len(persons)
    for start, end, folded, tokens in runs:
        while at < count and persons[at][1] <= start:
            at += 1
        if at < count and persons[at][0] < end:
            if text[start - 1 : start] in _QUOTED or text[end : end + 1] in _CODE:
                continue
            if tokens and len(tokens) == 2 and persons[at][0] == tokens[1].start and _belongs(tokens[0]):
                yield _Stranger(start, end, 2, _KNOWN)
            continue
        if text[start - 1 : start] in _QUOTED or text[end : end + 1] in _CODE:
            continue
        if around is not None and not _are_near(around, start):
            continue
        if tokens is not None:
            yield from _strangers(text, tokens, is_german)
        elif not _is_common(text, start, end) and (single := _single(text, start, end, folded)):
            yield single


def _belongs(token: Token) -> bool:
    """Whether a word before somebody's name is the first of it."""
    return _can_be(token) and _likeness(token.folded) >= _BESIDE


def _is_common(text: str, start: int, end: int) -> bool:
    """Whether a word by itself has an article before it, or opens a sentence and does nothing a person does: quick."""
    if text[max(0, start - 5) : start] in _ARTICLE or text[max(0, start - 4) : start] in _ARTICLE:
        return True
    if text[start - 1 : start] not in {"\n", "\t", ""} and text[start - 2 : start] not in _OPENING:
        return False
    after = text[end : end + 1]
    return (
        after == " " and fold(text[end + 1 : end + 12].partition(" ")[0]) not in _MAY_FOLLOW
    ) or after in ".:!?\n\t;"


def _pairs(runs: Sequence[Met]) -> list[tuple[int, int]]:
    """Two words side by side whose letters are both a name's."""
    return [
        (start, end)
        for start, end, _, tokens in runs
        if tokens
        and len(tokens) == 2
        and _can_be(tokens[0])
        and _can_be(tokens[1])
        and _likeness(tokens[0].folded) > _LIKELY
        and _likeness(tokens[1].folded) > _LIKELY
    ]


def _are_near(starts: Sequence[int], place: int) -> bool:
    return bisect_right(starts, place + _NEAR) - bisect_left(starts, place - _NEAR) >= _FEWEST


def _single(text: str, start: int, end: int, folded: str) -> _Stranger | None:
    """A word by itself of which the lists say nothing."""
    word = text[start:end]
    if (
        not 2 < len(folded) < _LONGEST
        or folded.endswith(_WORD_ENDS)
        or (word[1:] != word[1:].lower() and (word.isupper() or not word.startswith(_TWO_CAPITALS)))
        or (start and (text[start - 1].isalnum() or text[start - 1] in "-°"))
        or text[end : end + 2].strip()[:1].isdigit()
        or (text[end : end + 1] == "." and text[end + 1 : end + 2].isalnum())
    ):
        return None
    return _Stranger(start, end, 1, _KNOWN if folded in SURNAMES else likeness(folded))


def _strangers(text: str, tokens: Sequence[Token], is_german: bool) -> Iterator[_Stranger]:
    """What in a run can be a name, parted where small words stand between."""
    group: list[Token] = []
    for token in tokens:
        if group and text[group[-1].end : token.start].strip():
            if stranger := _stranger(text, group, is_german):
                yield stranger
            group = []
        group.append(token)
    if group and (stranger := _stranger(text, group, is_german)):
        yield stranger


def _stranger(text: str, tokens: list[Token], is_german: bool) -> _Stranger | None:
    """One to three neighbouring words, without the words of a sentence that stand before or after."""
    while len(tokens) > 1 and tokens[0].folded in _BEGINS:
        tokens = tokens[1:]
    if len(tokens) > 3 or not _can_be(tokens[0]):
        return None
    can_be = all([_can_be(token) for token in tokens[1:]])  # noqa: C419 a list is quicker
    if len(tokens) == 2 and is_german:
        if _is_owned(tokens[0]) and not (can_be and _likeness(tokens[1].folded) >= 0):  # Malins Geburtstag
            return _Stranger(tokens[0].start, tokens[0].end, 1, _OWNED)
        if can_be and _is_listed(tokens[1]) and _likeness(tokens[0].folded) < _NOUN:  # Arbeitszeit Mujkic
            tokens = tokens[1:]
    if not can_be or name_length(tokens, 0) != len(tokens):
        return None
    said = [_likeness(token.folded) for token in tokens]
    if len(said) > 1 and (sum(said) < _PAIR or min(said) < _OF_PAIR):
        return None
    if text[tokens[-1].end : tokens[-1].end + 2].strip()[:1].isdigit():
        return None
    odds = _KNOWN if len(tokens) == 1 and tokens[0].folded in SURNAMES else said[0]
    return _Stranger(tokens[0].start, tokens[-1].end, len(tokens), odds)


def _is_listed(token: Token) -> bool:
    return token.is_first_name or token.folded in SURNAMES


def _is_owned(token: Token) -> bool:
    """Whether it is a name in the genitive: Malins, Kropps."""
    stem = token.folded[:-1]
    return (
        token.folded.endswith("s")
        and not token.is_first_name
        and ((stem in FIRST_NAMES and stem not in AMBIGUOUS) or stem in SURNAMES)
    )


def _can_be(token: Token) -> bool:
    word = token.text
    return not (
        len(token.folded) < 3
        or word.isupper()
        or not token.can_be_name
        or token.folded in NONE
        or not word[-1].isalpha()
        or (word.startswith(("E-", "US", "UK", "IT-", "PC-")))
        or (_has_capitals_inside(word) and not word.startswith(_TWO_CAPITALS))
    )


def _has_capitals_inside(word: str) -> bool:
    if "-" in word:
        return any(part[1:] != part[1:].lower() for part in word.split("-"))
    return (rest := word[1:]) != rest.lower()


def _likeness(folded: str) -> float:
    if "-" in folded or "'" in folded:
        return max((likeness(part) for part in re.split("['-]", folded) if len(part) > 2), default=-9.0)
    return likeness(folded)


def _stands_as_person(text: str, stranger: _Stranger, is_german: bool) -> bool:
    start, end = stranger.start, stranger.end
    before, after = word_before(text, start), text[end : end + 16]
    if (
        (before in ARTICLES and not (is_german and before == "du"))
        or before in PLACES_BEFORE
        or text[max(0, start - 2) : start - 1].isdigit()
    ):
        return False
    if after[:1] == ":" or after[:2] in {" :", " &"} or text[max(0, start - 2) : start] == "& ":
        return False
    if stranger.words > 1:
        return before not in _PLACE
    if after.startswith("'s ") or (text[start - 1 : start] == "(" and after[:1] in {")", ",", "/"}):
        place = "strong"
    elif before in _WITH or (is_german and before in _DOES):
        place = "with"
    elif after[:1] == " " and fold(after[1:].partition(" ")[0]) in _DOES:
        place = "acts"
    else:
        place = "anywhere" if is_german else "inside"
        if _OPENS.search(text[max(0, start - 6) : start]):
            place = "opens"
    needed = _ENOUGH[place] + (1.5 * _IN_GERMAN if is_german and place == "with" else 0.0)
    if before in _PLACE:
        needed += _AFTER_PLACE
    elif before in _OF:
        needed += _AFTER_OF
    elif is_german and place == "anywhere" and _ADJECTIVE.fullmatch(before):
        needed += _AFTER_ADJECTIVE
    return stranger.likeness >= needed


def _listed(
    text: str, met: Sequence[_Stranger], persons: Sequence[tuple[int, int]], is_german: bool
) -> Iterator[Finding]:
    """Who stands in a list with persons: "Arlo, Zainab and Ffion"."""
    if not met:
        return
    known = dict(persons)
    items = sorted({**{stranger.start: stranger.end for stranger in met}, **known}.items())
    likely = {s.start: s.likeness for s in met}
    least = _ENOUGH["list"] + (_IN_GERMAN if is_german else 0.0)
    chain: list[tuple[int, int]] = []
    is_sure = False
    for item in [*items, (len(text) + _LONGEST_LINK, 0)]:
        link = (
            _LINK.fullmatch(text, chain[-1][1], item[0])
            if chain and 0 < item[0] - chain[-1][1] < _LONGEST_LINK
            else None
        )
        if link:
            chain.append(item)
            is_sure |= _SURE_LINK.fullmatch(link.group()) is not None
            continue
        named = sum(start in known or likely[start] >= _KNOWN for start, _ in chain)
        if named and len(chain) > 1 and (is_sure or (len(chain) > 2 and 2 * named >= len(chain))):
            for start, end in chain:
                if start not in known and likely[start] >= least and word_before(text, start) not in ARTICLES:
                    yield Finding("PERSON", start, end, 0.6)
        chain, is_sure = [item], False


def _in_columns(text: str, persons: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    """Cells of a column in which persons stand: at least a third of it, below its heading."""
    separator = next((sign for sign in "\t;|" if text.count(sign) >= _CELLS), "")
    if not separator:
        return
    rows: list[list[tuple[int, str]]] = []
    place = 0
    for line in [*text.split("\n"), ""]:
        if separator not in line and not rows:
            place += len(line) + 1
            continue
        cells, at = [], place
        for cell in line.split(separator):
            content = cell.strip()
            cells.append((at + cell.find(content) if content else at, content))
            at += len(cell) + 1
        if rows and len(cells) != len(rows[0]):
            yield from _of_rows(rows, persons)
            rows = []
        if len(cells) > 1:
            rows.append(cells)
        place += len(line) + 1


def _of_rows(rows: Sequence[Sequence[tuple[int, str]]], persons: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    known = set(persons)
    for column in zip(*rows[1:], strict=True):
        cells = [(place, content) for place, content in column if content]
        named = sum((place, place + len(content)) in known for place, content in cells)
        if not named or 3 * named < len(cells) or named == len(cells):
            continue
        for place, content in cells:
            words = [fold(word) for word in content.split()]
            if _CELL.fullmatch(content) and not content.isupper() and NONE.isdisjoint(words):
                yield Finding("PERSON", place, place + len(content), 0.65)
