"""Images in a request: a data URL whose bytes are what it says, within limits. Nothing is fetched, nothing is decoded.

Called by `messages` and by the routes of images. The kind and the size come from the first bytes of a file; whoever
decodes it does so behind walls.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from typing import Any

from intramuros.errors import BadRequest

LONGEST_BYTES = 20 * 2**20
MOST_PIXELS = 50_000_000
LONGEST_SIDE = 20_000
MOST_SEGMENTS = 1000  # of a JPEG, before the one that says its size

_DATA = re.compile(r"data:(image/[a-z0-9.+-]{1,32});base64,")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG's markers that say the size. Source: ITU-T T.81, table B.1."""


def picture(url: Any, path: str) -> str:
    """The data URL, once its image was looked at. Raises: BadRequest with code `invalid_image`."""
    if not isinstance(url, str):
        raise _bad(path, "must be a data URL with an image")
    found = _DATA.match(url)
    if found is None:
        if url.lower().startswith(("http:", "https:")):
            raise _bad(path, "is an address: nothing is fetched here. Send the image itself as a data URL")
        raise _bad(path, "must be a data URL such as 'data:image/png;base64,…'")
    try:
        data = base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise _bad(path, "is not valid base64") from None
    check_bytes(data, path, said=found[1])
    return url


def check_bytes(data: bytes, path: str, *, said: str | None = None) -> str:
    """The media type of an image. Raises: BadRequest for what is none, is not what was `said`, or is too large."""
    if len(data) > LONGEST_BYTES:
        raise _bad(path, f"is larger than {LONGEST_BYTES // 2**20} MiB")
    kind = next((kind for kind, (begins, _) in _KINDS.items() if begins(data)), None)
    if kind is None:
        raise _bad(path, "is no image that can be read here: PNG, JPEG, GIF or WebP")
    if said is not None and said != kind and (said, kind) != ("image/jpg", "image/jpeg"):
        raise _bad(path, f"says that it is {said}, and is {kind}")
    try:
        width, height = _KINDS[kind][1](data)
    except (struct.error, IndexError):
        raise _bad(path, "is cut short") from None
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE and width * height <= MOST_PIXELS):
        raise _bad(path, f"has a size that can't be read here: {width} × {height}")
    return kind


def _png(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    """Source: RFC 9649."""
    kind = data[12:16]
    if len(data) < 30:
        raise IndexError
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(data: bytes) -> tuple[int, int]:
    place = 2
    for _ in range(MOST_SEGMENTS):
        marker, length = struct.unpack_from(">HH", data, place)
        if marker >> 8 != 0xFF:
            raise IndexError
        if marker & 0xFF in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        place += 2 + max(length, 2)
    raise IndexError


_KINDS: dict[str, tuple[Callable[[bytes], bool], Callable[[bytes], tuple[int, int]]]] = {
    "image/png": (lambda data: data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR", _png),
    "image/jpeg": (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    "image/gif": (lambda data: data.startswith((b"GIF87a", b"GIF89a")), _gif),
    "image/webp": (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
}


def _bad(path: str, what: str) -> BadRequest:
    return BadRequest(f"'{path}' {what}.", code="invalid_image", param=path)
