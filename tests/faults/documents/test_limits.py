"""Documents that take too much of something are stopped at the limit of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from intramuros.documents import media
from intramuros.errors import DocumentError
from tests.support import papers
from tests.support.shelf import Shelf, open_shelf


async def refused(tmp_path: Path, content: bytes, media_type: str, **limits: object) -> DocumentError:
    shelf = open_shelf(tmp_path / "data", **limits)
    try:
        with pytest.raises(DocumentError) as error:
            await shelf.reader.read(content, media_type)
        assert (await shelf.reader.read(b"Bonjour", media.TEXT)).pages[0].text == "Bonjour"
        return error.value
    finally:
        shelf.close()


async def test_endless_parsing_is_stopped(tmp_path: Path) -> None:
    """Nested this deep, the HTML parser takes some twenty seconds."""
    started = time.monotonic()
    error = await refused(tmp_path, b"<div>" * 100_000 + b"x", media.HTML, reader_time_s=1)
    assert error.code == "took_too_long"
    assert "1 seconds" in error.message
    assert time.monotonic() - started < 5


async def test_a_hungry_document_is_stopped(tmp_path: Path) -> None:
    error = await refused(tmp_path, b"<p>x" * 2_000_000, media.HTML, reader_memory_mib=64)
    assert error.code == "too_much_memory"
    assert "64 MiB" in error.message


async def test_a_hungry_word_file_is_stopped(tmp_path: Path) -> None:
    paragraphs = b"<w:p><w:r><w:t>x</w:t></w:r></w:p>" * 600_000
    content = papers.with_members(
        papers.word(lambda document: None),
        {papers.WORD: lambda xml: xml.replace(b"<w:body>", b"<w:body>" + paragraphs)},
    )
    error = await refused(tmp_path, content, media.DOCX, reader_memory_mib=160)
    assert error.code == "too_much_memory"


async def test_more_text_than_allowed(tmp_path: Path) -> None:
    error = await refused(tmp_path, b"mot " * (1 << 19), media.TEXT, reader_output_mib=1)
    assert error.code == "too_much_text"


async def test_a_reader_process_that_hangs_is_replaced(shelf_that_waits: Shelf) -> None:
    reader = shelf_that_waits.reader
    await reader.read(b"Bonjour", media.TEXT)
    assert reader._process
    pid = reader._process.process.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DocumentError) as error:
        await reader.read(b"Bonjour", media.TEXT)
    assert error.value.code == "took_too_long"
    assert (await reader.read(b"encore", media.TEXT)).pages[0].text == "encore"
    assert not Path(f"/proc/{pid}").exists()


@pytest.fixture
def shelf_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr("intramuros.documents.reader.supervisor._GRACE_S", 0.2)
    return open_shelf(tmp_path / "data", reader_time_s=1)
