"""Who may no longer ask is cut off while the answer still comes: suspended, signed out, demoted, unshared."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.accounts.users import Users
from intramuros.app import App, build
from intramuros.errors import StorageBusy
from intramuros.server import watch as watching
from intramuros.server.access import AccessTable
from intramuros.server.rule import Access, Rule
from intramuros.server.watch import Watch
from intramuros.storage.erasable import Subject
from intramuros.storage.liveness import Holder
from tests.asgi import Answer, soon
from tests.installed import Installed
from tests.support import cheap

CHAT = {"model": "default", "stream": True, "messages": [{"role": "user", "content": "Bonjour"}]}


def caller(installed: Installed, who: str) -> Caller:
    found = installed.app.sessions.caller(installed.sessions[who])
    assert found is not None
    return found


@pytest.fixture
def project(installed: Installed) -> Iterator[Project]:
    alice, bob = caller(installed, "alice"), caller(installed, "bob")
    project = installed.app.projects.create("Leases", by=alice)
    installed.app.projects.add_member(project.id, user_id=bob.user_id, role="reader", by=alice)
    reader = Holder(installed.app.settings.run_folder)
    with installed.app.database.write() as connection:  # a document that is being read for ever keeps the page live
        connection.exec_driver_sql(
            "INSERT INTO documents (id, project_id, name, media_type, sha256, size_bytes, blob_id, state, pages_read,"
            " pages_without_text, created_at, updated_at, attempts, lease_owner, lease_until) VALUES"
            " ('d', ?, 'd.txt', 'text/plain', x'00', 1, 'b', 'reading', 0, '[]', 1, 1, 1, ?, 9e12)",
            (project.id, reader.name),
        )
    yield project
    reader.close()


@pytest.fixture
async def other(installed: Installed) -> AsyncIterator[App]:
    """A second process's view of the same data: what it changes must reach the server."""
    app = build(installed.app.settings)
    yield app
    app.close()


async def begun(installed: Installed, action: str) -> None:
    async with asyncio.timeout(5):
        while not any(running.rule.action == action for running in installed.guard.watch._running):  # type: ignore[union-attr]
            await asyncio.sleep(0.01)


async def chat_of_bob(installed: Installed, change: Callable[[], Any], *, stream: bool = True) -> Answer:
    installed.engine.hangs = True
    asked = asyncio.create_task(installed.client("bob").post("/v1/chat/completions", CHAT | {"stream": stream}))
    await begun(installed, "chat")
    await asyncio.to_thread(change)
    answer = await soon(asked, seconds=2)
    assert installed.engine.cancelled == 1, "the engine is free again"
    return answer


async def live_of_bob(installed: Installed, project: Project, change: Callable[[], Any]) -> Answer:
    browser = installed.browser("bob")
    asked = asyncio.create_task(browser.call("GET", f"/projects/{project.id}/documents/live"))
    await begun(installed, "documents.watch")
    await asyncio.to_thread(change)
    return await soon(asked, seconds=2)


@pytest.mark.parametrize("stream", [True, False])
async def test_suspension_in_another_process_ends_an_answer(installed: Installed, other: App, stream: bool) -> None:
    bob = caller(installed, "bob")
    answer = await chat_of_bob(installed, lambda: other.users.suspend(bob.user_id), stream=stream)
    if stream:
        assert json.loads(answer.events()[-1])["error"]["code"] == "access_ended"
    else:
        assert (answer.status, answer.json()["error"]["code"]) == (401, "access_ended")
    (record,) = installed.records("chat")
    assert (record.outcome, record.facts["error"]) == ("interrupted", "access_ended")
    assert (await installed.client("bob").call("GET", "/v1/models")).status == 401


async def test_who_may_no_longer_is_cut_though_a_look_failed_in_a_way_nobody_foresaw(
    installed: Installed, other: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bob, failed = caller(installed, "bob"), threading.Event()
    look = Watch._look_once

    async def fails_once(watch: Watch) -> None:
        if not failed.is_set():
            failed.set()
            raise KeyError("dupont")
        await look(watch)

    def suspend() -> None:
        assert failed.wait(5)
        other.users.suspend(bob.user_id)

    monkeypatch.setattr(Watch, "_look_once", fails_once)
    await chat_of_bob(installed, suspend)
    assert "can't be checked: KeyError" in caplog.text and "dupont" not in caplog.text


async def test_a_revoked_key_ends_its_answer(installed: Installed, other: App) -> None:
    bob = caller(installed, "bob")
    (key,) = other.api_keys.list(bob.user_id)
    await chat_of_bob(installed, lambda: other.api_keys.revoke(key.id))


@pytest.mark.parametrize("failure", [StorageBusy("busy"), RuntimeError("can't start new thread")])
async def test_an_answer_that_nobody_can_ask_about_ends(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fails() -> int:
        raise failure

    def blinded() -> None:
        monkeypatch.setattr(watching, "BLIND_S", 0.2)
        monkeypatch.setattr(installed.app.identity, "revision", fails)

    answer = await chat_of_bob(installed, blinded)
    assert b"access_ended" in answer.body


async def test_suspension_ends_a_live_page(installed: Installed, project: Project, other: App) -> None:
    bob = caller(installed, "bob")
    await live_of_bob(installed, project, lambda: other.users.suspend(bob.user_id))
    (record,) = installed.records("documents.watch")
    assert record.outcome in {"interrupted", "ok"}, (
        "cut by the guard, or ended by the page itself, whichever looks first"
    )


async def test_leaving_a_project_ends_its_live_page(installed: Installed, project: Project, other: App) -> None:
    alice, bob = caller(installed, "alice"), caller(installed, "bob")
    await live_of_bob(
        installed, project, lambda: other.projects.remove_member(project.id, user_id=bob.user_id, by=alice)
    )


async def test_leaving_a_group_ends_what_it_opened(installed: Installed, project: Project, other: App) -> None:
    alice, bob = caller(installed, "alice"), caller(installed, "bob")
    group = other.groups.create("Lawyers")
    other.groups.add(group.id, user_id=bob.user_id, by=alice)
    other.projects.add_group(project.id, group_id=group.id, role="reader", by=alice)
    other.projects.remove_member(project.id, user_id=bob.user_id, by=alice)
    await live_of_bob(installed, project, lambda: other.groups.leave(group.id, user_id=bob.user_id))


async def test_signing_out_elsewhere_ends_a_live_page(installed: Installed, project: Project, other: App) -> None:
    bob = caller(installed, "bob")
    await live_of_bob(installed, project, lambda: other.sessions.close_all(bob.user_id))


async def test_demotion_ends_what_only_administrators_may(installed: Installed, other: App) -> None:
    """The models' live page, as if it were for administrators only."""
    rules = AccessTable().rules
    stricter = tuple(
        Rule(rule.method, rule.path, rule.action, Access.ADMINISTRATOR, scope=rule.scope)
        if rule.action == "chat"
        else rule
        for rule in rules
    )
    installed.guard.table = AccessTable(stricter)
    charlie = caller(installed, "charlie")
    users = Users(other.database, passwords=cheap.passwords())
    users.create("second@firm.example", "Second", role="administrator", password="nine yellow tractors")
    installed.engine.hangs = True
    asked = asyncio.create_task(installed.client("charlie").post("/v1/chat/completions", CHAT))
    await begun(installed, "chat")
    await asyncio.to_thread(other.users.set_role, charlie.user_id, "member")
    await soon(asked, seconds=2)
    assert installed.records("chat")[0].facts["error"] == "access_ended"


async def test_others_go_on(installed: Installed, other: App) -> None:
    bob = caller(installed, "bob")
    installed.engine.hangs = True
    gone = asyncio.Event()
    asked = asyncio.create_task(installed.client("alice").post("/v1/chat/completions", CHAT, gone=gone))
    await begun(installed, "chat")
    await asyncio.to_thread(other.users.suspend, bob.user_id)
    await asyncio.sleep(0.3)
    assert not asked.done()
    gone.set()
    await soon(asked)


@pytest.mark.parametrize("leaves", ["the project goes", "bob goes"])
async def test_a_project_that_is_gone_is_not_there_for_a_request_that_just_began(
    installed: Installed, other: App, leaves: str
) -> None:
    """As a moment later: to sign in again would help nobody."""
    alice, bob = caller(installed, "alice"), caller(installed, "bob")
    project = installed.app.projects.create("Leases", by=alice)
    installed.app.projects.add_member(project.id, user_id=bob.user_id, role="reader", by=alice)
    began = asyncio.Event()

    async def slow(*_: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    installed.guard.inner = slow
    asked = asyncio.create_task(installed.client("bob").call("GET", f"/v1/vector_stores/vs_{project.id}"))
    await asyncio.wait_for(began.wait(), 5)
    if leaves == "bob goes":
        await asyncio.to_thread(other.projects.remove_member, project.id, user_id=bob.user_id, by=alice)
    else:
        await asyncio.to_thread(other.erasure.remove, Subject("project", project.id), by=alice.user_id)
    answer = await soon(asked, seconds=2)
    assert (answer.status, answer.json()["error"]["code"]) == (404, "project_not_found")
