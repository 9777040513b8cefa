from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import NAMES, Entry
from intramuros.errors import EngineDied, NotAllowed

ALICE = Caller("u-alice", "Alice", "member", "session")


def entry() -> Entry:
    return Entry("chat.complete", None, "api")


def test_facts_are_noted() -> None:
    one = entry()
    one.note(model="smollm2-135m", prompt_tokens=12, stream=True, first_token_ms=3.5, documents=["a", "b"])
    one.note(prompt_tokens=13, error=None)
    record = one.finished(None)
    assert record.facts["prompt_tokens"] == 13
    assert record.facts["documents"] == ["a", "b"]
    assert "error" not in record.facts


def test_nothing_is_noted_once_it_is_closed() -> None:
    one = entry()
    one.finished(None)
    with pytest.raises(RuntimeError, match="closed"):
        one.note(route="outside")
    assert "route" not in one.facts


@pytest.mark.parametrize("name", ["prompt", "answer", "question", "text", "file_name", "query", "email", "password"])
def test_no_name_for_content(name: str) -> None:
    assert name not in NAMES
    with pytest.raises(TypeError):
        entry().note(**{name: "x"})


@pytest.mark.parametrize(
    "value",
    [
        "two words",
        "line\nbreak",
        "",
        "é",
        "x" * 101,
        "'; --",
        b"bytes",
        {"a": 1},
        ["a"],
        object(),
        float("nan"),
        "a\0b",
    ],
)
def test_no_value_that_could_carry_content(value: Any) -> None:
    with pytest.raises(ValueError, match="model"):
        entry().note(model=value)


def test_counts_are_of_types() -> None:
    one = entry()
    one.note(masked={"PERSON": 2, "IBAN_CODE": 1})
    assert one.facts["masked"] == {"PERSON": 2, "IBAN_CODE": 1}
    for value in ({"Anna Keller": 1}, {"PERSON": "Anna"}, {"PERSON": True}, {"person": 1}):
        with pytest.raises(ValueError, match="masked"):
            one.note(masked=value)


def test_lists_are_of_ids_and_bounded() -> None:
    for value in (["two words"], [["a"]], ["a"] * 1001):
        with pytest.raises(ValueError, match="documents"):
            entry().note(documents=value)


@pytest.mark.parametrize(
    "value", ["/v1/chat/completions", "/api/v1/{project}/ask", "org/Model-1.5:Q4_K_M", "a@b", "key:x"]
)
def test_identifiers(value: str) -> None:
    entry().note(route=value)


def test_who_and_what() -> None:
    one = entry()
    assert one.finished(None).actor is None
    one.by(ALICE)
    one.about("document-1")
    record = one.finished(None)
    assert (record.actor, record.credential, record.object) == ("u-alice", "session", "document-1")


def test_bad_actions_doors_and_objects() -> None:
    for arguments in (("Two words", None, "api"), ("chat", None, "window"), ("chat", "two words", "api")):
        with pytest.raises(ValueError, match="audit"):
            Entry(*arguments)


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (None, None, "ok"),
        (None, 200, "ok"),
        (None, 401, "refused"),
        (None, 503, "failed"),
        (NotAllowed(), None, "refused"),
        (EngineDied(), None, "failed"),
        (ZeroDivisionError(), None, "failed"),
        (asyncio.CancelledError(), None, "interrupted"),
        (GeneratorExit(), 200, "interrupted"),
        (KeyboardInterrupt(), None, "interrupted"),
    ],
)
def test_outcomes(error: BaseException | None, status: int | None, outcome: str) -> None:
    one = entry()
    one.note(status=status)
    assert one.finished(error).outcome == outcome


def test_a_door_may_say_the_outcome() -> None:
    one = entry()
    one.outcome = "interrupted"
    assert one.finished(None).outcome == "interrupted"


def test_an_error_leaves_its_code_and_not_its_words() -> None:
    facts = entry().finished(NotAllowed("About Alice's lease")).facts
    assert facts["error"] == "not_allowed"
    assert facts["status"] == 403
    assert "lease" not in json.dumps(facts)
    assert entry().finished(ZeroDivisionError("Alice's lease")).facts["error"] == "ZeroDivisionError"


def test_ids_sort_by_time() -> None:
    ids = [entry().id for _ in range(100)]
    assert sorted(ids) == ids
    assert len(set(ids)) == 100


def test_it_knows_how_long_it_took() -> None:
    assert entry().finished(None).facts["duration_ms"] >= 0


@pytest.mark.parametrize("first", "-_aZ9")
def test_every_id_can_be_noted(first: str) -> None:
    entry = Entry("project.create", None, "api")
    entry.about(first + "bcdefghijklmno")
    entry.note(document=first + "bcdefghijklmno")
