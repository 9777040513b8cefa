"""Erasing through the API: who may, and the receipt as the answer."""

from __future__ import annotations

import json

import pytest

from intramuros.accounts.caller import Caller
from intramuros.privacy.erase.receipt import verified
from tests.installed import Installed


@pytest.fixture
async def project(installed: Installed) -> str:
    """Alice's project, which Bob may read; Charlie, though an administrator, may not."""
    made = await installed.client("alice").post("/api/v1/projects", {"name": "Baux"})
    alice, bob = (installed.app.users.by_email(f"{name}@firm.example") for name in ("alice", "bob"))
    assert alice and bob
    by = Caller(alice.id, alice.name, alice.role, "session")
    installed.app.projects.add_member(made.json()["id"], user_id=bob.id, role="reader", by=by)
    return str(made.json()["id"])


async def test_only_an_owner_erases_a_project(installed: Installed, project: str) -> None:
    address = f"/api/v1/projects/{project}"
    assert (await installed.client(None).call("DELETE", address)).status == 401
    assert (await installed.client("bob").call("DELETE", address)).status == 403
    assert (await installed.client("charlie").call("DELETE", address)).status == 404
    done = await installed.client("alice").call("DELETE", address)
    assert done.status == 200
    assert verified(done.json()["receipt"], installed.app.audit.public_key())["subject"] == project
    assert (await installed.client("alice").call("GET", address + "/documents")).status == 404
    (record,) = [row for row in installed.records("project.remove") if row.outcome == "ok"]
    assert record.object == project
    assert record.facts["erasure"] == done.json()["id"]


async def test_only_one_s_own_conversation(installed: Installed, project: str) -> None:
    app = installed.app
    alice = app.users.by_email("alice@firm.example")
    assert alice
    by = Caller(alice.id, alice.name, alice.role, "session")
    talk = app.conversations.create(app.projects.get(project, by=by), by=by)
    address = f"/api/v1/projects/{project}/conversations/{talk}"
    assert (await installed.client("bob").call("DELETE", address)).status == 404
    assert (await installed.client("alice").call("DELETE", address)).json()["kind"] == "conversation"
    assert (await installed.client("alice").call("DELETE", address)).status == 404


async def test_only_auditors_see_receipts(installed: Installed, project: str) -> None:
    done = await installed.client("alice").call("DELETE", f"/api/v1/projects/{project}")
    assert (await installed.client("alice").call("GET", "/api/v1/receipts")).status == 403
    listed = (await installed.client("charlie").call("GET", "/api/v1/receipts")).json()["receipts"]
    assert [item["subject"] for item in listed] == [project]
    one = await installed.client("charlie").call("GET", f"/api/v1/receipts/{done.json()['id']}")
    assert one.json()["receipt"] == done.json()["receipt"]


async def test_times_to_keep(installed: Installed, project: str) -> None:
    address = f"/api/v1/projects/{project}/retention"
    kept = {"conversations_days": 30, "documents_days": None, "unused_days": 90}
    assert (await installed.client("bob").call("PUT", address, json.dumps(kept).encode())).status == 403
    assert (await installed.client("alice").call("PUT", address, json.dumps(kept).encode())).json() == kept
    assert (await installed.client("bob").call("GET", address)).json() == kept
    assert (await installed.client("charlie").call("GET", address)).status == 404
    wrong = {"conversations_days": "30"}
    assert (await installed.client("alice").call("PUT", address, json.dumps(wrong).encode())).status == 400
    assert (await installed.client("alice").call("PUT", address, b'{"documents_days": 0}')).status == 400
