"""Texts whose letters are written as escapes, spelled out: in JSON, in HTML, in addresses of the web.

Called for what goes to a model outside. A program that passes on `Fran\\u00e7ois`, `jean&#64;firm.example` or a line
that begins after `\\n` says the same to the model as one that writes it plainly, so it is looked at as the model reads
it. It knows no entity.
"""

from __future__ import annotations

import json
import re
from html.entities import html5

_JSON = re.compile(r"(?<!\\)\\{1,9}u([0-9a-fA-F]{4})")
_HTML = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]{2,8}));")
_AT = re.compile(r"(?<=[\w.+-])%40(?=[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}(?![\w.%-]{0,63}@))", re.IGNORECASE)
_UTF8 = re.compile(r"(?:%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){1,3})+")
_LINE = re.compile(r"(\\\\)|(\\[nrt])(?=\w)")
_STRUCTURE = frozenset('"\\<>&')


def spelled(text: str) -> str:
    """The text with letters and signs in the place of their escapes; what is structure of JSON or HTML stays."""
    if "\\u" in text:
        text = _JSON.sub(lambda found: _letter(int(found[1], 16), found[0]), text)
    if "&" in text:
        text = _HTML.sub(_entity, text)
    if "%" in text:
        text = _UTF8.sub(_unquoted, _AT.sub("@", text))
    return text


def apart(text: str) -> str:
    """JSON with a space where a word follows the escape of a new line or a tab, which else seems to begin the word."""
    if "\\" not in text or text.lstrip()[:1] not in {"{", "[", '"'}:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _LINE.sub(lambda found: found[1] or f"{found[2]} ", text)


def _letter(code: int, written: str) -> str:
    if code < 0x20 or code > 0x10FFFF or 0xD800 <= code < 0xE000 or chr(code) in _STRUCTURE:
        return written
    return chr(code)


def _entity(found: re.Match[str]) -> str:
    if found[3] is None:
        return _letter(int(found[1]) if found[1] else int(found[2], 16), found[0])
    named = html5.get(f"{found[3]};", found[0])
    return found[0] if named in _STRUCTURE else named


def _unquoted(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("%", "")).decode()
    except ValueError:
        return found[0]
