"""Redaction for programs: hidden and back, for the one who asked only, and nothing of it in the record."""

from __future__ import annotations

from typing import Any

import pytest

from intramuros.errors import DetectorFailed
from intramuros.privacy.redact.policy import Policy
from intramuros.privacy.redact.redactor import Redactor
from tests.installed import Installed

LETTER = "Mme Anna Keller, IBAN CH93 0076 2011 6238 5295 7. Merci à Mme Keller."


async def redacted(installed: Installed, who: str = "alice", **more: Any) -> dict[str, Any]:
    answer = await installed.client(who).post("/privacy/v1/redact", {"text": LETTER, **more})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def test_hidden_and_back(installed: Installed) -> None:
    hidden = await redacted(installed)
    assert "Keller" not in hidden["text"] and "0076" not in hidden["text"]
    assert [e["entity_type"] for e in hidden["entities"]] == ["PERSON", "IBAN_CODE", "PERSON"]
    first = hidden["entities"][0]
    assert LETTER[first["start"] : first["end"]] == "Anna Keller" and first["alias"] in hidden["text"]
    assert first["alias"] == hidden["entities"][2]["alias"]
    reply = f"Bonjour {first['alias']}, voici ⟦PERSON_bbb⟧."
    back = await installed.client("alice").post("/privacy/v1/restore", {"text": reply, "map": hidden["map"]})
    assert back.json() == {"text": "Bonjour Anna Keller, voici ⟦PERSON_bbb⟧.", "restored": 1, "unknown": 1}


async def test_a_conversation_keeps_its_aliases(installed: Installed) -> None:
    hidden = await redacted(installed)
    again = await redacted(installed, map=hidden["map"])
    assert again["text"] == hidden["text"]
    assert (await redacted(installed))["text"] != hidden["text"]


async def test_a_map_opens_for_its_owner_only(installed: Installed) -> None:
    hidden = await redacted(installed)
    for who, sealed in (
        ("bob", hidden["map"]),
        ("charlie", hidden["map"]),
        ("alice", hidden["map"][:-8]),
        ("alice", "é"),
    ):
        answer = await installed.client(who).post("/privacy/v1/restore", {"text": "x", "map": sealed})
        assert answer.status == 400 and answer.json()["error"]["param"] == "map"


async def test_the_organisations_people_are_known(installed: Installed) -> None:
    app = installed.app
    app.users.create("x@firm.example", "Xyla Quorn", role="member", password="seven green bicycles")
    answer = await installed.client("alice").post("/privacy/v1/redact", {"text": "hier xyla quorn est venue"})
    assert [e["entity_type"] for e in answer.json()["entities"]] == ["PERSON"]


async def test_a_policy(installed: Installed) -> None:
    hidden = await redacted(installed, policy={"PERSON": "allow", "*": "mask"})
    assert hidden["text"] == "Mme Anna Keller, IBAN [IBAN_CODE]. Merci à Mme Keller."
    assert [(e["action"], e["alias"]) for e in hidden["entities"]] == [("mask", None)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 400),
        ({"text": 3}, 400),
        ({"text": "a", "policy": []}, 400),
        ({"text": "a", "policy": {"PERSON": "hide"}}, 400),
        ({"text": "a", "language": "xx"}, 400),
        ({"text": "a", "language": []}, 400),
        ({"text": "a", "map": "not one"}, 400),
        ({"text": "a", "more": 1}, 400),
        ({"text": "password: hunter2Xyz!"}, 422),
    ],
)
async def test_what_is_refused(installed: Installed, body: dict[str, Any], status: int) -> None:
    answer = await installed.client("alice").post("/privacy/v1/redact", body)
    assert answer.status == status
    assert "hunter2" not in answer.body.decode()


async def test_a_failing_detector_lets_nothing_through(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise DetectorFailed

    monkeypatch.setattr(Redactor, "analyse", fails)
    answer = await installed.client("alice").post("/privacy/v1/redact", {"text": LETTER})
    assert answer.status == 503 and answer.json()["error"]["code"] == "detector_failed"
    assert "Keller" not in answer.body.decode()


async def test_the_record_counts_and_says_nothing(installed: Installed) -> None:
    hidden = await redacted(installed)
    await installed.client("alice").post("/privacy/v1/restore", {"text": hidden["text"], "map": hidden["map"]})
    redaction, restoration = installed.records("redact", "restore")
    assert redaction.facts["masked"] == {"IBAN_CODE": 1, "PERSON": 2}
    assert (restoration.facts["restored"], restoration.facts["unknown"]) == (3, 0)
    assert redaction.facts["policy"] == restoration.facts["policy"] == Policy().version
    for record in (redaction, restoration):
        assert "Keller" not in str(record) and "⟦" not in str(record)
    assert installed.app.audit.verify().ok
