"""The protocol of the hub and of resuming, against answers made by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from intramuros.errors import DownloadFailed
from intramuros.models.catalogue import HubSource
from intramuros.models.hub import Remote, download, hosts_of, resolve
from intramuros.models.partial import Origin, Partial
from intramuros.models.progress import Meter

HUB = "https://hub.example"
COMMIT, SHA = "c" * 40, "5" * 64
SOURCE = HubSource("owner/repo", "folder/file name.gguf", "main")


@dataclass
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    breaks: bool = False
    url: str = ""

    async def pieces(self, size_bytes: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), size_bytes):
            yield self.body[start : start + size_bytes]
        if self.breaks:
            raise ConnectionError("broke off")


class Door:
    """Answers requests in turn and keeps them."""

    def __init__(self, *answers: Answer | Exception | Callable[[Mapping[str, str]], Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    def permitting(self, hosts: Iterable[str], *, reason: str) -> Self:
        return self

    def fetch(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, redirects: bool = True
    ) -> AbstractAsyncContextManager[Any]:
        self.asked.append((method, url, headers or {}))
        answer = self.answers.pop(0)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Answer]:
            if isinstance(answer, Exception):
                raise answer
            yield answer if isinstance(answer, Answer) else answer(headers or {})

        return opened()


async def fetched(tmp_path: Path, door: Door, *, remote: Remote | None = None, attempts: int = 1) -> bytes:
    with Partial(tmp_path, Origin("m", "test")).opened() as partial:
        meter = Meter(lambda _: None)
        await download(remote or Remote("u"), partial, door=door, meter=meter, attempts=attempts, pause_s=0)
        partial.finish()
    return partial.path.read_bytes()


async def test_the_hub_names_commit_hash_and_size_before_it_redirects() -> None:
    headers = {
        "X-Repo-Commit": COMMIT,
        "X-Linked-Etag": f'"{SHA}"',
        "X-Linked-Size": "123",
        "Location": "https://cdn/x",
    }
    door = Door(Answer(302, headers))
    found = await resolve(SOURCE, hub_url=HUB + "/", door=door)
    assert found == Remote(f"{HUB}/owner/repo/resolve/{COMMIT}/folder/file%20name.gguf", SHA, 123)
    assert door.asked[0][:2] == ("HEAD", f"{HUB}/owner/repo/resolve/main/folder/file%20name.gguf")


async def test_a_renamed_repository_is_followed_on_the_same_host() -> None:
    moved = Answer(307, {"Location": "/new/name/resolve/main/file"})
    there = Answer(200, {"ETag": f'W/"{SHA}"', "Content-Length": "9"})
    door = Door(moved, there)
    assert await resolve(SOURCE, hub_url=HUB, door=door) == Remote(f"{HUB}/new/name/resolve/main/file", SHA, 9)
    with pytest.raises(DownloadFailed, match="circle"):
        await resolve(SOURCE, hub_url=HUB, door=Door(moved, moved, moved))


async def test_a_small_file_has_no_sha256_and_a_mirror_may_know_nothing() -> None:
    small = Answer(200, {"ETag": '"a1b2"', "Content-Length": "9"})
    assert (await resolve(SOURCE, hub_url=HUB, door=Door(small))).sha256 is None
    assert await resolve(SOURCE, hub_url=HUB, door=Door(Answer(405))) == Remote(
        f"{HUB}/owner/repo/resolve/main/folder/file%20name.gguf"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401, {"X-Error-Code": "RepoNotFound"}), "There is no file"),
        (Answer(404, {"X-Error-Code": "EntryNotFound"}), "There is no file"),
        (Answer(403, {"X-Error-Code": "GatedRepo"}), "asks for an account"),
        (Answer(401), "asks for an account"),
        (Answer(451), "refused"),
        (ConnectionError("no route"), "can't be reached: no route"),
    ],
)
async def test_why_there_is_no_file_is_said(answer: Answer | Exception, words: str) -> None:
    with pytest.raises(DownloadFailed, match=words):
        await resolve(SOURCE, hub_url=HUB, door=Door(answer))


async def test_a_broken_download_is_taken_up_with_range_and_if_range(tmp_path: Path) -> None:
    first = Answer(200, {"Content-Length": "10", "ETag": '"v1"'}, b"01234", breaks=True)
    rest = Answer(206, {"Content-Range": "bytes 5-9/10"}, b"56789")
    door = Door(first, rest)
    assert await fetched(tmp_path, door, attempts=2) == b"0123456789"
    assert door.asked[1][2] == {"Range": "bytes=5-", "If-Range": '"v1"'}


async def test_a_silent_end_before_the_last_byte_counts_as_broken(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="5 of 10 bytes"):
        await fetched(tmp_path, Door(Answer(200, {"Content-Length": "10", "ETag": '"v1"'}, b"01234")))


async def test_a_file_that_changed_is_fetched_from_its_start(tmp_path: Path) -> None:
    first = Answer(200, {"Content-Length": "10", "ETag": '"v1"'}, b"01234", breaks=True)
    other = Answer(200, {"Content-Length": "4", "ETag": '"v2"'}, b"abcd")
    assert await fetched(tmp_path, Door(first, other), attempts=2) == b"abcd"


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
async def test_without_a_strong_etag_nothing_is_resumed(tmp_path: Path, etag: str) -> None:
    first = Answer(200, {"Content-Length": "10", "ETag": etag}, b"01234", breaks=True)
    door = Door(first, Answer(200, {"Content-Length": "10"}, b"0123456789"))
    assert await fetched(tmp_path, door, attempts=2) == b"0123456789"
    assert door.asked[1][2] == {}


@pytest.mark.parametrize("content_range", ["bytes 4-9/10", "bytes 5-9/11", "bytes 5-9/*", "", "lines 5-9/10"])
async def test_another_part_than_the_one_asked_for_is_not_glued_on(tmp_path: Path, content_range: str) -> None:
    first = Answer(200, {"Content-Length": "10", "ETag": '"v1"'}, b"01234", breaks=True)
    wrong = Answer(206, {"Content-Range": content_range}, b"xxxxx")
    whole = Answer(200, {"Content-Length": "10", "ETag": '"v1"'}, b"0123456789")
    assert await fetched(tmp_path, Door(first, wrong, whole), attempts=3) == b"0123456789"


async def test_a_range_beyond_the_end_starts_again(tmp_path: Path) -> None:
    first = Answer(200, {"Content-Length": "10", "ETag": '"v1"'}, b"01234", breaks=True)
    door = Door(first, Answer(416), Answer(200, {"Content-Length": "3"}, b"new"))
    assert await fetched(tmp_path, door, attempts=3) == b"new"


async def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(tmp_path: Path) -> None:
    door = Door(Answer(503), Answer(429), Answer(200, {"Content-Length": "2"}, b"ok"))
    assert await fetched(tmp_path, door, attempts=3) == b"ok"
    door = Door(Answer(404))
    with pytest.raises(DownloadFailed, match="no file"):
        await fetched(tmp_path / "other", door, attempts=3)
    assert len(door.asked) == 1


async def test_progress_between_failures_gives_new_attempts(tmp_path: Path) -> None:
    def piece(headers: Mapping[str, str]) -> Answer:
        start = int(headers["Range"][6:-1]) if "Range" in headers else 0
        status, extra = (206, {"Content-Range": f"bytes {start}-9/10"}) if start else (200, {"Content-Length": "10"})
        return Answer(status, {"ETag": '"v1"', **extra}, b"0123456789"[start : start + 2], breaks=True)

    assert await fetched(tmp_path, Door(*[piece] * 5), attempts=2) == b"0123456789"


async def test_a_file_that_is_whole_is_not_asked_for_again(tmp_path: Path) -> None:
    whole = Answer(200, {"Content-Length": "3", "ETag": '"v1"'}, b"abc")
    assert await fetched(tmp_path, Door(whole)) == b"abc"
    assert await fetched(tmp_path, Door()) == b"abc"  # stopped before it was installed, and started again
    other = Answer(200, {"Content-Length": "3", "ETag": '"v2"'}, b"xyz")
    assert await fetched(tmp_path, Door(other), remote=Remote("u", sha256=SHA)) == b"xyz"  # the hub has a new one


async def test_a_size_other_than_expected_is_refused_before_the_body(tmp_path: Path) -> None:
    answer = Answer(200, {"Content-Length": "10"}, b"0123456789")
    with pytest.raises(DownloadFailed, match="10 bytes where 9 were expected"):
        await fetched(tmp_path, Door(answer), remote=Remote("u", size_bytes=9))
    assert not (tmp_path / "m.part").exists()


async def test_more_than_announced_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="more than"):
        await fetched(tmp_path, Door(Answer(200, {"Content-Length": "3"}, b"0123456789")))


async def test_a_packed_body_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="packed"):
        await fetched(tmp_path, Door(Answer(200, {"Content-Encoding": "gzip"}, b"x")))


async def test_a_server_that_says_no_length_is_read_to_its_end(tmp_path: Path) -> None:
    assert await fetched(tmp_path, Door(Answer(200, {}, b"whole"))) == b"whole"


def test_the_hosts_that_are_needed() -> None:
    assert hosts_of("https://huggingface.co/a/b") == ("huggingface.co", "*.huggingface.co", "*.hf.co")
    assert hosts_of("https://user:secret@mirror.lan:8443/x") == ("private:https://mirror.lan:8443",)
    assert hosts_of("http://huggingface.co/a") == ("private:http://huggingface.co",)  # no store is opened for it
