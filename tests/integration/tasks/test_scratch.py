"""Promises tried on an installation made for it: each holds, and each says so when its protection is taken away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intramuros.audit.ledger import Ledger
from intramuros.errors import ErasureUnfinished
from intramuros.privacy.redact.redactor import Redactor
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.tasks import scratch
from intramuros.tasks.erasing_replies import RepliesEraser
from intramuros.tasks.seen import Broken, Seen
from tests.installed import Installed, installation
from tests.support.erasing import House


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    with installation(tmp_path / "installed") as made:
        yield made


CHECKS = [scratch.erased, scratch.unrecorded, scratch.acknowledged]


@pytest.mark.parametrize("check", CHECKS)
def test_each_holds(tmp_path: Path, check: Callable[[Path], Seen]) -> None:
    assert check(tmp_path)


def test_a_detector_that_fails_stops_the_text() -> None:
    assert "nothing through" in str(scratch.detector_fails())


def test_an_audit_that_lets_requests_run_unrecorded_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Ledger.open
    calls: list[int] = []

    def only_the_first(self: Ledger, entry: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            told(self, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "open", only_the_first)
    with pytest.raises(Broken, match="could not be written"):
        scratch.unrecorded(tmp_path)


def test_a_redactor_that_goes_on_without_its_detector_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Redactor, "_run", lambda self, tier, text, language, found: None)
    with pytest.raises(Broken, match="passed a detector"):
        scratch.detector_fails()


def test_a_key_that_stays_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubjectKeys, "destroy", lambda *_, **__: None)
    with pytest.raises(Broken, match="key"):
        scratch.erased(tmp_path)


def test_a_reply_that_stays_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RepliesEraser, "erase", lambda *_: None)
    with pytest.raises((Broken, ErasureUnfinished)):
        scratch.erased(tmp_path)


def test_it_erases_with_the_parts_of_an_installation(installed: Installed, database: Database) -> None:
    own = {type(part) for part in House(database, bytes(32)).erasure.erasers}
    assert own == {type(part) for part in installed.app.erasure.erasers} and len(own) == 8


def test_a_search_that_finds_nothing_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_standing", lambda *_: 0)
    with pytest.raises(Broken, match="did not find"):
        scratch.erased(tmp_path)


def test_an_original_that_stays_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intramuros.storage.blobs.Blobs.remove", lambda *_: None)
    with pytest.raises(Exception, match=r"left|again|found"):
        scratch.erased(tmp_path)


def test_what_a_killed_self_test_left_is_removed_and_what_runs_is_not(tmp_path: Path) -> None:
    left = tmp_path / "selftest-0123abcd"
    (left / "blobs").mkdir(parents=True)
    (left / "blobs" / "one").write_bytes(b"x")
    (tmp_path / "other").mkdir()
    with scratch.ground(tmp_path) as folder:
        (folder / "file").write_bytes(b"x")
        scratch.sweep(tmp_path)
        assert not left.exists() and (tmp_path / "other").exists()
        assert (folder / "file").exists(), "another process's self-test goes on"
    assert not folder.exists()


def test_a_self_test_that_is_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    code = (
        "import os, sys, signal; from pathlib import Path; from intramuros.tasks import scratch\n"
        "with scratch.ground(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'file').write_bytes(b'x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.glob("selftest-*/file"))) == 1
    scratch.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
