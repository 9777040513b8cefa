"""An upload that still comes in is cut when its person may no longer send it; ids of others open nothing."""

from __future__ import annotations

import asyncio
import json

import pytest

from intramuros.accounts.sessions import csrf
from intramuros.app import build
from tests.asgi import Client, soon
from tests.installed import Installed

FORM = {"content-type": "multipart/form-data; boundary=x"}
BEGUN = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nThe lease of Zebra.'


async def begun(installed: Installed) -> None:
    async with asyncio.timeout(5):
        while not any(running.rule.action == "document.add" for running in installed.guard.watch._running):  # type: ignore[union-attr]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("door", ["program", "browser"])
async def test_suspension_ends_an_upload_that_still_comes_in(
    installed: Installed, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intramuros.server.exchange.DRAIN_S", 0.1)  # so long the rest is waited for, after the refusal
    alice = installed.app.sessions.caller(installed.sessions["alice"])
    assert alice
    project = installed.app.projects.create("Leases", by=alice)
    if door == "program":
        client, path, headers = installed.client("alice"), f"/api/v1/projects/{project.id}/documents", FORM
    else:
        token = csrf(installed.sessions["alice"])
        client, path = installed.browser("alice"), f"/projects/{project.id}/documents"
        headers = {"x-csrf-token": token, "x-file-name": "a.txt", "accept": "application/json"}
    sent = client.call("POST", path, [BEGUN, BEGUN, b""], headers=headers, silent_after=1)
    upload = asyncio.create_task(sent)
    await begun(installed)
    other = build(installed.app.settings)
    try:
        await asyncio.to_thread(other.users.suspend, alice.user_id)
        answer = await soon(upload, seconds=2)
    finally:
        other.close()
    assert answer.status == 401 and "access_ended" in answer.body.decode()
    assert installed.records("document.add")[-1].outcome == "interrupted"
    assert not installed.app.library.list(project), "nothing of it is kept"


async def test_ids_of_others_open_nothing_on_routes_of_people_and_groups(installed: Installed) -> None:
    """To a member every id is the same, whether somebody has it or nobody: forbidden, or not there."""
    charlie = installed.app.users.find("charlie@firm.example").id
    group = installed.app.groups.create("Lawyers").id

    async def answers(user: str, of_group: str) -> list[tuple[int, str]]:
        routes = [
            ("GET", f"/api/v1/users/{user}"),
            ("DELETE", f"/api/v1/users/{user}"),
            ("PUT", f"/api/v1/users/{user}/role"),
            ("POST", f"/api/v1/users/{user}/suspend"),
            ("POST", f"/api/v1/users/{user}/resume"),
            ("POST", f"/api/v1/users/{user}/reset-factor"),
            ("GET", f"/api/v1/users/{user}/reach"),
            ("POST", f"/api/v1/users/{user}/search"),
            ("GET", f"/api/v1/groups/{of_group}"),
            ("PATCH", f"/api/v1/groups/{of_group}"),
            ("DELETE", f"/api/v1/groups/{of_group}"),
            ("PUT", f"/api/v1/groups/{of_group}/members/{user}"),
            ("DELETE", f"/api/v1/groups/{of_group}/members/{user}"),
        ]
        client = installed.client("bob")
        bodies = {"role": {"role": "member"}, "search": {"query": "x"}}
        said = [await call(client, method, path, bodies.get(path.rpartition("/")[2])) for method, path in routes]
        assert all(status in {403, 404} for status, _ in said), list(zip(routes, said, strict=True))
        return said

    assert await answers(charlie, group) == await answers("nobody", "nothing")
    for user in (charlie, "nobody"):
        assert (await installed.browser("bob").call("GET", f"/people/{user}/reach")).status == 403
    assert not installed.app.groups.members(group) and installed.app.users.get(charlie).role == "administrator"


async def call(client: Client, method: str, path: str, value: object) -> tuple[int, str]:
    answer = await client.call(method, path, json.dumps(value).encode() if value else b"")
    return answer.status, answer.json()["error"]["code"]
