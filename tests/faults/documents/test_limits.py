"""Documents that take too much of something are stopped at the limit of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intramuros.documents import media
from intramuros.documents.reader import process
from intramuros.errors import DocumentError
from intramuros.security.attempts import ENDED
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
    assert time.monotonic() - started < 15


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
    monkeypatch.setattr("intramuros.documents.reader.job._GRACE_S", 0.2)
    return open_shelf(tmp_path / "data", reader_time_s=1)


def test_the_kernel_ends_a_document_that_burns_the_processor_though_nobody_watches() -> None:
    """What a document's process sets for itself, alone: the clock of whoever supervises it is not there."""
    code = (
        "from intramuros.documents.reader import process\n"
        "process._limit({'own_bytes': 1 << 32, 'memory_bytes': 1 << 30, 'time_s': 0.5, 'kind': 'read'})\n"
        "import os, resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0], os.nice(0), flush=True)\n"
        "while True: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["2", str(os.nice(0) + process._PATIENCE)], (
        "two seconds of processor time, behind everybody else"
    )
    assert done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}


async def test_a_document_that_burns_the_processor_is_ended_and_what_forks_has_a_limit_too(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "data")
    try:
        assert await shelf.reader.burnt() == ENDED
        assert shelf.reader._process
        limits = Path(f"/proc/{shelf.reader._process.process.pid}/limits").read_text(encoding="ascii")
    finally:
        shelf.close()
    assert re.search(r"^Max cpu time +600 ", limits, re.MULTILINE)
