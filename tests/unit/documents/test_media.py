"""What a file is, by its first bytes."""

from __future__ import annotations

import pytest

from intramuros.documents import media
from intramuros.documents.media import sniff
from intramuros.errors import DocumentError

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
ZIP = b"PK\x03\x04\x14\x00"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
EXE = b"MZ\x90\x00\x03\x00\x00\x00"


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("report.pdf", PDF, media.PDF),
        ("report.txt", PDF, media.PDF),  # the content wins
        ("report.pdf", b"\r\n" + PDF, media.PDF),
        ("contract.docx", ZIP, media.DOCX),
        ("Contract.DOCX", ZIP, media.DOCX),
        ("note.txt", "Congés payés".encode(), media.TEXT),
        ("note.txt", "Congés payés".encode("cp1252"), media.TEXT),
        ("note.txt", "Congés payés".encode("utf-16"), media.TEXT),
        ("README", b"plain words", media.TEXT),
        ("page.html", b"<p>words</p>", media.HTML),
        ("page.txt", b"  <!DOCTYPE html><html>", media.HTML),
        ("note.md", b"# Title", media.MARKDOWN),
    ],
)
def test_known_formats(name: str, head: bytes, expected: str) -> None:
    assert sniff(name, head) == expected


@pytest.mark.parametrize(
    ("name", "head", "code"),
    [
        ("empty.pdf", b"", "empty"),
        ("setup.pdf", EXE, "not_what_it_says"),
        ("setup.exe", EXE, "unknown_format"),
        ("scan.png", b"\x89PNG\r\n\x1a\n", "unknown_format"),
        ("sheet.xlsx", ZIP, "unknown_format"),
        ("archive.pdf", ZIP, "not_what_it_says"),
        ("letter.doc", OLE, "old_word"),
        ("letter.docx", OLE, "password_protected"),  # Office keeps protected files in the old container
        ("words.pdf", b"just words", "not_what_it_says"),
        ("letter.rtf", b"{\\rtf1 words}", "unknown_format"),
        ("data.csv", b"a;b;c", "unknown_format"),
        ("noise.txt", bytes(range(256)), "not_what_it_says"),
    ],
)
def test_what_is_refused(name: str, head: bytes, code: str) -> None:
    with pytest.raises(DocumentError) as refused:
        sniff(name, head)
    assert refused.value.code == code
    assert refused.value.hint
