"""Promises tried on an installation made for it: each holds, and each says so when its protection is taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from intramuros.audit.ledger import Ledger
from intramuros.privacy.redact.redactor import Redactor
from intramuros.security.subject_keys import SubjectKeys
from intramuros.tasks import scratch

CHECKS = [scratch.erased, scratch.unrecorded, scratch.acknowledged]


@pytest.mark.parametrize("check", CHECKS)
def test_each_holds(tmp_path: Path, check: Callable[[Path], str]) -> None:
    assert check(tmp_path)


def test_a_detector_that_fails_stops_the_text() -> None:
    assert "nothing through" in scratch.detector_fails()


def test_an_audit_that_lets_requests_run_unrecorded_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Ledger.open
    calls: list[int] = []

    def only_the_first(self: Ledger, entry: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            told(self, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "open", only_the_first)
    with pytest.raises(scratch.Broken, match="could not be written"):
        scratch.unrecorded(tmp_path)


def test_a_redactor_that_goes_on_without_its_detector_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Redactor, "_run", lambda self, tier, text, language: [])
    with pytest.raises(scratch.Broken, match="passed a detector"):
        scratch.detector_fails()


def test_a_key_that_stays_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubjectKeys, "destroy", lambda *_, **__: None)
    with pytest.raises(scratch.Broken, match="key"):
        scratch.erased(tmp_path)


def test_a_search_that_finds_nothing_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_standing", lambda *_: 0)
    with pytest.raises(scratch.Broken, match="did not find"):
        scratch.erased(tmp_path)


def test_an_original_that_stays_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intramuros.storage.blobs.Blobs.remove", lambda *_: None)
    with pytest.raises(Exception, match=r"left|again|found"):
        scratch.erased(tmp_path)
