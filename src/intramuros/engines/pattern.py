"""Regular expressions of a JSON schema, rewritten so that the engine's grammar means the same by them.

Called by `schema`. llama.cpp's translation binds a quantifier to the wrong part after an escaped sign, splits letters
beyond ASCII, lets `.` end the JSON string it stands in and skips what looks ahead; each sign becomes a class of its own
here, which it reads rightly, and the rest is refused.
"""

from __future__ import annotations

import re

LONGEST = 1000
MOST_REPEATS = 1000

_TOKEN = re.compile(
    r"""(?P<open>\((?:\?:)?(?!\?)) | (?P<close>\)) | (?P<bar>\|)
      | (?P<times>[*+?]|\{\d{1,4}(?:,(?:\d{1,4})?)?\})
      | (?P<group>\[\^?(?:[^\[\]\\]|\\.)+\])
      | (?P<any>\.) | \\(?P<kind>[dw]) | \\(?P<escaped>[\^$.|?*+(){}\[\]/-])
      | (?P<plain>[^\^$\\".|?*+(){}\[\]\x00-\x1f\x7f])""",
    re.VERBOSE,
)
_KINDS = {"d": "0-9", "w": "A-Za-z0-9_"}
_NOT_IN_TEXT = r'"\\\x7F\x00-\x1F'  # a JSON string writes them in another way
_FORBIDDEN = ('"', "\\")


class PatternError(ValueError):
    """Why a pattern can't be kept."""


def as_grammar(pattern: object) -> str:
    """The pattern for the engine. Raises: PatternError with the reason in words."""
    if not isinstance(pattern, str) or len(pattern) > LONGEST:
        raise PatternError(f"it must be text of at most {LONGEST} characters")
    if len(pattern) < 2 or not pattern.startswith("^") or not pattern.endswith("$"):
        raise PatternError("only where it starts with '^' and ends with '$'")
    inner = pattern[1:-1]
    try:
        re.compile(inner)
    except (re.error, OverflowError, RecursionError):
        raise PatternError("it is not a valid pattern") from None
    parts, place, before = [], 0, ""
    while place < len(inner):
        found = _TOKEN.match(inner, place)
        if found is None:
            raise PatternError(f"the sign at place {place + 2} has no equal in the engine")
        kind = str(found.lastgroup)
        if kind == "times" and before in {"times", "", "open", "bar"}:
            raise PatternError("one quantifier after another, as in '+?', has no equal in the engine")
        if kind in {"close", "bar"} and before in {"open", "bar", ""}:
            raise PatternError("an empty choice has no equal in the engine")
        parts.append(_rewritten(kind, found[kind]))
        place, before = found.end(), kind
    if before in {"bar", ""}:
        raise PatternError("an empty choice has no equal in the engine")
    return f"^{''.join(parts)}$"


def _rewritten(kind: str, text: str) -> str:
    if kind == "open":
        return "("
    if kind == "any":
        return f"[^{_NOT_IN_TEXT}]"
    if kind == "kind":
        return f"[{_KINDS[text]}]"
    if kind == "group":
        return _class(text[1:-1])
    if kind == "times":
        if any(int(number) > MOST_REPEATS for number in re.findall(r"\d+", text)):
            raise PatternError(f"it repeats something more than {MOST_REPEATS} times")
        return text
    return f"[{_sign(text)}]" if kind in {"plain", "escaped"} else text


def _class(text: str) -> str:
    """A set of signs: what it leaves out never ends the JSON string, and what it names can't either."""
    is_negated = text.startswith("^")
    items = re.findall(r"\\.|[^\\]", text[1:] if is_negated else text)
    ready, place = [], 0
    while place < len(items):
        item = items[place]
        if item[1:] in _KINDS and len(item) > 1:
            ready.append(_KINDS[item[1:]])
            place += 1
        elif place + 2 < len(items) and items[place + 1] == "-" and items[place + 2][1:] not in _KINDS:
            low, high = _one(item), _one(items[place + 2])
            if not is_negated and any(low <= sign <= high for sign in _FORBIDDEN):
                raise PatternError("a range with a quotation mark or a backslash in it has no equal in the engine")
            ready.append(f"{_sign(low)}-{_sign(high)}")
            place += 3
        else:
            ready.append(_sign(_one(item)))
            place += 1
    return f"[{'^' if is_negated else ''}{''.join(ready)}{_NOT_IN_TEXT if is_negated else ''}]"


def _one(item: str) -> str:
    """The sign that a part of a class stands for."""
    sign = item[-1]
    if (len(item) > 1 and sign.isalnum()) or sign in _FORBIDDEN or not sign.isprintable():
        raise PatternError("a set of signs has one in it that has no equal in the engine")
    return sign


def _sign(sign: str) -> str:
    """One sign as a number, which no reader takes for anything else."""
    number = ord(sign)
    return f"\\x{number:02X}" if number < 0x80 else f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
