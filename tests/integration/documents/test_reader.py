"""The confined reader: every format through it, what it may not do, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intramuros.documents import media, samples
from intramuros.documents.layout.sheet import message, sheet
from intramuros.documents.reader import supervisor
from intramuros.documents.reader.supervisor import Reader
from intramuros.errors import DocumentError, IsolationTooWeak
from intramuros.security.isolation import Confinement
from intramuros.settings import load
from tests.support import papers


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(load({"data": tmp_path_factory.mktemp("data")}, environ={}))
    yield reader
    reader.close()


async def test_every_sample_format(reader: Reader) -> None:
    for path in samples.paths():
        content = path.read_bytes()
        media_type = media.sniff(path.name, content[: media.HEAD_BYTES])
        reading = await reader.read(content, media_type)
        assert reading.title
        assert all(page.has_text for page in reading.pages)
        assert all(page.width and page.height for page in reading.pages)
        assert all(block.lines for page in reading.pages for block in page.blocks)


async def test_from_an_open_descriptor(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Bonjour")
    with path.open("rb") as file:
        assert (await reader.read(file.fileno(), media.TEXT)).pages[0].text == "Bonjour"
        assert file.read() == b"Bonjour"


async def test_many_at_once(reader: Reader) -> None:
    readings = await asyncio.gather(*(reader.read(f"Note {n}".encode(), media.TEXT) for n in range(20)))
    assert [reading.pages[0].text for reading in readings] == [f"Note {n}" for n in range(20)]


async def test_progress_of_a_long_document(reader: Reader) -> None:
    told: list[tuple[int, int]] = []
    content = papers.pdf(*[["mot " * 20] * 50 for _ in range(40)])
    reading = await reader.read(content, media.PDF, progress=lambda read, total: told.append((read, total)))
    assert len(reading.pages) == 40
    assert told == sorted(told)
    assert all(0 < read <= total == 40 for read, total in told)


async def test_picture_of_a_page(reader: Reader) -> None:
    content = papers.pdf(["un"], ["deux"])
    first, second = await reader.render(content, 1), await reader.render(content, 2, scale=1.0)
    assert first.startswith(b"\x89PNG")
    assert first != second


async def test_picture_of_a_page_that_was_laid_out(reader: Reader) -> None:
    [page] = (await reader.read("# Été\n\nL’œuvre à 12 €.".encode(), media.MARKDOWN)).pages
    assert page.width
    assert page.height
    picture = await reader.draw(message(page.text, page.width, page.height, sheet(page) or []))
    assert picture.startswith(b"\x89PNG")
    assert picture != await reader.draw(message("another", page.width, page.height, []))


@pytest.mark.parametrize("content", [b"{}", b"\xff", b"[]"])
async def test_what_is_no_sheet_is_not_drawn(reader: Reader, content: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        await reader.draw(content)
    assert caught.value.code == "damaged"


async def test_the_kernel_confines_it(reader: Reader) -> None:
    held = await reader.confinement()
    assert held == reader.known_confinement
    if not held.files:
        pytest.skip("NOT TESTED: this kernel has no Landlock")
    assert held.calls and held.rights


async def test_each_child_is_confined(reader: Reader) -> None:
    held = await reader.confinement()
    content = papers.pdf(*[["mot " * 20] * 60 for _ in range(200)])
    tasks = {asyncio.create_task(reader.read(content, media.PDF))}
    await _until(lambda: any(_status(child).get("Seccomp") == "2" for child in _children(reader)) or not held.calls)
    assert all(_status(child)["NoNewPrivs"] == "1" for child in _children(reader))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_reading_steps_back_behind_answers_and_pictures_do_not(reader: Reader) -> None:
    await reader.confinement()
    content = papers.pdf(*[["mot " * 20] * 60 for _ in range(400)])
    task = asyncio.create_task(reader.read(content, media.PDF))
    await _until(lambda: any(_priority(child) == (os.SCHED_BATCH, 10) for child in _children(reader)))
    task.cancel()
    await asyncio.wait({task})
    assert reader._process and _priority(str(reader._process.process.pid)) == (os.SCHED_OTHER, 0)


async def test_a_policy_keeps_documents_from_a_reader_that_is_too_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "confinement", lambda pid, said: Confinement(calls=True, rights=True))
    for required in ("none", "partial"):
        reader = Reader(load({"data": tmp_path, "isolation_required": required}, environ={}))
        assert (await reader.read(b"Bonjour", media.TEXT)).pages
        reader.close()
    reader = Reader(load({"data": tmp_path, "isolation_required": "full"}, environ={}))
    with pytest.raises(IsolationTooWeak, match="without network, files"):
        await reader.read(b"Bonjour", media.TEXT)
    reader.close()


async def test_only_libraries_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that was started in somebody's folder has it among the places of its modules; the reader has not."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert str(tmp_path) not in supervisor._libraries()


async def test_a_cancelled_read_ends_its_child(reader: Reader) -> None:
    content = papers.pdf(*[["mot " * 20] * 60 for _ in range(400)])
    task = asyncio.create_task(reader.read(content, media.PDF))
    await asyncio.sleep(0.3)
    assert _children(reader)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: not _children(reader))
    assert (await reader.read(b"encore", media.TEXT)).pages[0].text == "encore"


async def test_a_killed_reader_process_is_started_again(reader: Reader) -> None:
    await reader.read(b"avant", media.TEXT)
    assert reader._process
    os.kill(reader._process.process.pid, signal.SIGKILL)
    assert (await reader.read("après".encode(), media.TEXT)).pages[0].text == "après"


async def test_it_ends_with_the_gateway(tmp_path: Path) -> None:
    """A gateway that is killed leaves no reader behind."""
    script = (
        "import asyncio, os, signal\n"
        "from intramuros.documents.reader.supervisor import Reader\n"
        "from intramuros.settings import load\n"
        f"reader = Reader(load({{'data': {str(tmp_path)!r}}}, environ={{}}))\n"
        "asyncio.run(reader.read(b'x', 'text/plain'))\n"
        "print(reader._process.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    pid = int(done.stdout)
    await _until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _children(reader: Reader) -> list[str]:
    assert reader._process
    pid = reader._process.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _status(pid: str) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _priority(pid: str) -> tuple[int, int] | None:
    try:
        return os.sched_getscheduler(int(pid)), os.getpriority(os.PRIO_PROCESS, int(pid))
    except ProcessLookupError:
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def _until(holds: object, *, within_s: float = 5) -> None:
    assert callable(holds)
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
