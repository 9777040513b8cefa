"""What kind of file this is, judged by its first bytes; the name only decides between kinds of text.

Called where a document is received (the gateway looks at prefixes and parses nothing) and again by the reader.
"""

from __future__ import annotations

import codecs
from pathlib import PurePath

from intramuros.documents.failures import failure

HEAD_BYTES = 4096

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
MEDIA_TYPES = (PDF, DOCX, HTML, MARKDOWN, TEXT)

_TEXT_NAMES = {
    "": TEXT, ".txt": TEXT, ".text": TEXT, ".md": MARKDOWN, ".markdown": MARKDOWN,
    ".html": HTML, ".htm": HTML, ".xhtml": HTML,
}  # fmt: skip
SUFFIXES = frozenset({".pdf", ".docx", *_TEXT_NAMES} - {""})
"""Endings of file names that can be added."""

_PAGES_OF_HTML = (b"<!doctype html", b"<html")
_OTHER_FORMATS = (
    b"MZ", b"\x7fELF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"RIFF", b"%!PS", b"{\\rtf",
    b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe", b"SQLite format 3", b"GGUF", b"ID3", b"OggS", b"BEGIN:VCALENDAR", b"BEGIN:VCARD",
)  # fmt: skip
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def sniff(name: str, head: bytes) -> str:
    """The media type of a file from its name and its first `HEAD_BYTES` bytes.

    Raises: DocumentError `empty`, `unknown_format`, `old_word`, `not_what_it_says`.
    """
    suffix = PurePath(name.lower()).suffix
    if not head:
        raise failure("empty")
    if b"%PDF-" in head[:1024] and not head.startswith(_OTHER_FORMATS):
        return PDF
    if head.startswith(_OLD_OFFICE):
        raise failure({".doc": "old_word", ".docx": "password_protected"}.get(suffix) or _named(suffix))
    if head.startswith(_ZIP):
        if suffix == ".docx":
            return DOCX  # whether it really is one, the reader sees
        raise failure(_named(suffix))
    if head.startswith(_OTHER_FORMATS) or not _is_text(head):
        raise failure(_named(suffix))
    return _kind_of_text(suffix, head)


def _kind_of_text(suffix: str, head: bytes) -> str:
    if suffix in {".pdf", ".docx"}:
        raise failure("not_what_it_says")
    if suffix not in _TEXT_NAMES:
        raise failure("unknown_format")
    looks_like_html = head.lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower().startswith(_PAGES_OF_HTML)
    return HTML if looks_like_html else _TEXT_NAMES[suffix]


def _named(suffix: str) -> str:
    """A wrong content under a name that promises another deserves other words than an unknown format."""
    return "not_what_it_says" if suffix in _TEXT_NAMES or suffix in {".pdf", ".docx"} else "unknown_format"


def _is_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return control == 0 or (control <= len(head) // 1000 and b"\x00" not in head)
