"""Names that files come with."""

from __future__ import annotations

import pytest

from intramuros.documents.library import file_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("rapport.pdf", "rapport.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Hélène\\Bureau\\note.txt", "note.txt"),
        ("a\x00b\x1b[31m\u202etxt.exe", "ab[31mtxt.exe"),
        ("  deux   mots .md ", "deux mots .md"),
        ("", "document"),
        ("/", "document"),
        ("cafe\u0301.txt", "café.txt"),
    ],
)
def test_only_the_last_part_is_kept(given: str, kept: str) -> None:
    assert file_name(given) == kept


def test_endless_names_keep_their_ending() -> None:
    name = file_name("x" * 500 + ".docx")
    assert len(name) == 200
    assert name.endswith(".docx")
