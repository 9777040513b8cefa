"""Reads a Modelfile, the text that older clients send to `create`, into the fields that newer ones send.

Called by `creating`. Source: Ollama, docs/modelfile.md and parser/parser.go.
"""

from __future__ import annotations

from typing import Any

from intramuros.api.ollama.names import tidy
from intramuros.api.ollama.options import OURS
from intramuros.errors import BadRequest
from intramuros.models import sampling

QUOTES = '"""'
ONCE = {"FROM": "from", "SYSTEM": "system", "TEMPLATE": "template", "LICENSE": "license"}
LONGEST = 1 << 20


def read(text: str) -> dict[str, Any]:
    """The fields that it sets. Raises: BadRequest with the line that can't be read."""
    if len(text) > LONGEST:
        raise BadRequest("The Modelfile is too long.", param="modelfile")
    found: dict[str, Any] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    place = 0
    while place < len(lines):
        number, line = place + 1, lines[place].strip()
        place += 1
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        rest, place = _whole(rest.strip(), lines, place, number)
        _set(found, word.upper(), rest, number)
    return found


def _whole(rest: str, lines: list[str], place: int, number: int) -> tuple[str, int]:
    """A value to the end of its quotation marks, which may be many lines on."""
    begin, marks, after = rest.partition(QUOTES)
    if not marks:
        is_quoted = len(rest) >= 2 and rest[0] == rest[-1] == '"'
        return (rest[1:-1] if is_quoted else rest), place
    while QUOTES not in after:
        if place >= len(lines):
            raise _bad(number, 'its """ has no end')
        after += "\n" + lines[place]
        place += 1
    return begin + after.partition(QUOTES)[0], place


def _set(found: dict[str, Any], word: str, value: str, number: int) -> None:
    if not value:
        raise _bad(number, "something is missing")
    if word in ONCE:
        found[ONCE[word]] = value
    elif word == "PARAMETER":
        name, _, given = value.partition(" ")
        _set_parameter(found.setdefault("parameters", {}), name.lower(), given.strip(), number)
    elif word == "MESSAGE":
        role, _, content = value.partition(" ")
        found.setdefault("messages", []).append({"role": role.lower(), "content": content.strip().strip('"')})
    elif word == "ADAPTER":
        found.setdefault("adapters", {})[tidy(value)] = value
    else:
        raise _bad(number, f"there is no instruction {word[:40]!r}")


def _set_parameter(parameters: dict[str, Any], name: str, text: str, number: int) -> None:
    if name == sampling.STOP:
        parameters.setdefault(name, []).append(text.strip('"'))
        return
    try:
        parameters[name] = int(text) if "." not in text else float(text)
    except ValueError:
        if text not in {"true", "false"}:
            raise _bad(number, f"{OURS.get(name, name)[:40]} needs a number") from None
        parameters[name] = text == "true"


def _bad(number: int, why: str) -> BadRequest:
    return BadRequest(f"Line {number} of the Modelfile can't be read: {why}.", code="bad_modelfile", param="modelfile")
