"""Dates of birth alone on a line: under a column of labels, or at the head of a curriculum vitae.

Called by `near_people` for dates that nothing in their own line explains.
"""

from __future__ import annotations

import re

_LABEL = re.compile(
    r"[ \t*•-]{0,4}(?:date (?:et lieu )?de naissance|n[ée]+(?:\(e\)|·e)? le|naissance"
    r"|geburts(?:datum|tag)(?: und -ort)?"
    r"|geb(?:oren)?(?: am)?\.?|geb\.?-?dat(?:um|\.)|data (?:e luogo )?di nascita|nat[oa](?:/a)? il|nascita"
    r"|date (?:and place )?of birth|birth ?da(?:te|y)|d\.?o\.?b\.?|born)[ \t]*[:*]?[ \t]*",
    re.IGNORECASE,
)
_AFTER = re.compile(r"[ \t]*(?:[,(/·|-] ?(?:in |à |a |at )?[^\W\d_][^\n0-9]{1,40})?\.?[ \t]*(?=\n|$)")
_LIFE = re.compile(
    r"(?<!\w)(?:lebenslauf|curriculum|c\.?v\.?(?!\w)|r[ée]sum[ée]|werdegang|berufserfahrung|berufliche|ausbildung"
    r"|exp[ée]riences?(?: professionnelles?)?|formation|esperienz[ae]|istruzione|work experience|employment history"
    r"|education|personal profile|personalien|état civil|dati personali|angaben zur person|zur person)"
)
_ROWS, _FAR, _HEAD = 9, 360, 1200


def is_alone(text: str, date: re.Match[str], line: int) -> bool:
    """Whether a line holds nothing but the date and perhaps a place."""
    return not text[line : date.start()].strip(" \t*•-|") and _AFTER.match(text, date.end()) is not None


def is_labelled_above(text: str, line: int) -> bool:
    """Whether one of the lines above is a label for births, and those between are words without figures."""
    end = line - 1
    for _ in range(_ROWS):
        if end < 0 or line - end > _FAR:
            return False
        start = text.rfind("\n", max(0, end - 60), end) + 1
        row = text[start:end]
        if _LABEL.fullmatch(row):
            return True
        if len(row) > 48 or any(c.isdigit() for c in row):
            return False
        end = start - 1
    return False


def heads_a_life(text: str, line: int) -> bool:
    """Whether it stands near the head of a text that is somebody's curriculum vitae."""
    return line < _HEAD and _LIFE.search(text[: 2 * _HEAD].lower()) is not None
