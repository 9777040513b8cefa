"""Where a value begins that a label says is a person: `Nom :`, `Mitarbeiterin:`, the cell beside one, a list of them.

Called by the tier of names, which decides whether what stands there is a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intramuros.privacy.redact.capitals import UPPER
from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.words import LABELS, LIST_LABELS, WEAK_LABELS, by_first_letter

_LABEL = re.compile(rf"({by_first_letter(LABELS)})[*_]{{0,2}}(?: ?\([^)\n]{{1,24}}\))?[ \t]{{0,12}}")
_LABEL_AFTER = re.compile(rf"[\s,;|>*•(\-_#\"](?=[^\W\d_]){_LABEL.pattern}\Z")
_SEPARATOR = re.compile(rf"[:|\t][*_]{{0,2}}[ \t|]{{0,16}}(?=[{UPPER}])")
_NEXT = re.compile(rf"(?:[,;] |\) ?[,;] | et | und | e | and )(?=[{UPPER}])")
_HEADERS = frozenset({"to", "a", "an"})
_ATTENDANCE = LIST_LABELS - {"cc", "bcc", "verteiler", "diffusion", "distribution"}
_BODY = re.compile(
    r"[\w-]*(?:ung|schaft|stand|rat|leitung|team|schuss|amt|mission|heit|tion|ité|tà|board|staff|comité)(?!\w)", re.I
)


def labelled(text: str) -> Iterator[tuple[int, bool]]:
    """Where a value begins after a label of a person, and whether the label is a weak one."""
    for separator in _SEPARATOR.finditer(text):
        before = text[max(0, separator.start() - 48) : separator.start()].lower()
        match = _label_at_end(before)
        if match is None:
            continue
        label = fold(match.group(1))
        is_weak = label in WEAK_LABELS and label not in _ATTENDANCE
        if (
            is_weak
            and len(label) < 5
            and label != "name"
            and before[: match.start(1)].rpartition("\n")[2].strip(" >*_-#|\t")
        ):
            continue  # "Fahrzeug A:" is nobody's address
        if label == "present" and before[: match.start(1)].rstrip().endswith(("to", "-")):
            continue  # a post held until today
        is_list = label in LIST_LABELS
        yield separator.end(), is_weak or (is_list and _is_a_body(text, separator.end()))
        if is_list or label in _HEADERS:
            end = text.find("\n", separator.end())
            for match in _NEXT.finditer(text, separator.end(), end if end >= 0 else len(text)):
                if is_list or text[match.start()] == ";":
                    yield match.end(), label not in _ATTENDANCE or _is_a_body(text, match.end())


def _label_at_end(before: str) -> re.Match[str] | None:
    """The longest label that ends where the separator stands. Tried at beginnings of words only, for speed."""
    return _LABEL.fullmatch(before) or _LABEL_AFTER.search(before)


def _is_a_body(text: str, start: int) -> bool:
    """Whether it is a board or a department that attends, not a person."""
    return _BODY.match(text, start) is not None
