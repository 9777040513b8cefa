"""People, groups, sharing, exceptional access and "view as" through the API and the pages."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.accounts.rights import Rights
from intramuros.accounts.users import Users
from intramuros.errors import Conflict, NotAllowed, NotFound
from intramuros.privacy.erase.receipt import verified
from tests.asgi import Answer, Client, soon
from tests.installed import PASSWORD, Installed
from tests.support import cheap

EVERY = Rights(scopes=frozenset({"chat", "search", "documents", "privacy", "admin"}))
REASON = "Alice is ill and the customer's deadline is today"


@pytest.fixture
async def cast(installed: Installed) -> Installed:
    """Alice owns a project, Bob is in it, Charlie administers; an auditor and a manager; keys with every scope."""
    users = Users(installed.app.database, passwords=cheap.passwords())
    for name in ("auditor", "manager"):
        user = users.create(f"{name}@firm.example", name.title(), role=name, password=PASSWORD)
        installed.sessions[name] = installed.app.sessions.open(user)
    for name in ("alice", "bob", "charlie", "auditor", "manager"):
        user = users.find(f"{name}@firm.example")
        installed.keys[name] = installed.app.api_keys.create("all", user.id, rights=EVERY)[0]
    return installed


@pytest.fixture
def project(cast: Installed) -> Project:
    project = cast.app.projects.create("Leases", by=caller(cast, "alice"))
    bob = caller(cast, "bob").user_id
    cast.app.projects.add_member(project.id, user_id=bob, role="reader", by=caller(cast, "alice"))
    return project


def caller(installed: Installed, who: str) -> Caller:
    found = installed.app.sessions.caller(installed.sessions[who])
    assert found is not None
    return found


async def send(client: Client, method: str, path: str, value: Any = None) -> Answer:
    return await client.call(method, path, json.dumps(value).encode() if value is not None else b"")


async def test_sharing_with_people_and_groups(cast: Installed, project: Project) -> None:
    alice, manager = cast.client("alice"), cast.client("manager")
    path = f"/api/v1/projects/{project.id}"
    assert (await send(manager, "POST", "/api/v1/groups", {"name": "Lawyers"})).status == 201
    assert (await send(manager, "PUT", "/api/v1/groups/Lawyers/members/charlie@firm.example")).json()["people"] == 1
    group = cast.app.groups.get("Lawyers").id
    refused = await send(alice, "PUT", f"{path}/groups/{group}", {"role": "reader"})
    assert refused.status == 404, "who is in no group can't name it"
    cast.app.groups.add(group, user_id=caller(cast, "alice").user_id, by=caller(cast, "manager"))
    assert (await send(alice, "PUT", f"{path}/groups/{group}", {"role": "contributor"})).status == 200
    shown = (await send(cast.client("charlie"), "GET", f"{path}/members")).json()
    charlie = next(member for member in shown["members"] if member["name"] == "Charlie")
    assert (charlie["role"], charlie["through"]) == ("contributor", ["Lawyers"])
    assert (await send(cast.client("bob"), "PUT", f"{path}/members/bob@firm.example", {"role": "owner"})).status == 403
    assert (await send(alice, "DELETE", f"{path}/groups/{group}")).status == 204
    assert (await send(cast.client("charlie"), "GET", path)).status == 404


async def test_who_may_do_what_with_people(cast: Installed) -> None:
    users = {"member": "alice", "auditor": "auditor", "manager": "manager", "administrator": "charlie"}
    statuses = {}
    for role, who in users.items():
        client = cast.client(who)
        statuses[role] = (
            (await send(client, "GET", "/api/v1/users")).status,
            (await send(client, "POST", "/api/v1/invitations", {"role": "member"})).status,
            (await send(client, "POST", "/api/v1/invitations", {"role": "administrator"})).status,
            (await send(client, "PUT", "/api/v1/users/bob@firm.example/role", {"role": "member"})).status,
        )
    assert statuses == {
        "member": (403, 403, 403, 403),
        "auditor": (200, 403, 403, 403),
        "manager": (200, 201, 403, 403),
        "administrator": (200, 201, 201, 200),
    }


async def test_a_manager_can_t_let_themselves_in(cast: Installed, project: Project) -> None:
    group = cast.app.groups.create("Lawyers")
    cast.app.groups.add(group.id, user_id=caller(cast, "alice").user_id, by=caller(cast, "manager"))
    cast.app.projects.add_group(project.id, group_id=group.id, role="reader", by=caller(cast, "alice"))
    answer = await send(cast.client("manager"), "PUT", f"/api/v1/groups/{group.id}/members/manager@firm.example")
    assert (answer.status, answer.json()["error"]["code"]) == (403, "self_grant")
    assert (await send(cast.client("manager"), "GET", f"/api/v1/projects/{project.id}")).status == 404


async def test_removing_a_person(cast: Installed, project: Project) -> None:
    charlie = cast.client("charlie")
    answer = await send(charlie, "DELETE", "/api/v1/users/alice@firm.example")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "needs_heir")
    answer = await send(charlie, "DELETE", "/api/v1/users/alice@firm.example?heir=charlie@firm.example")
    assert (answer.status, answer.json()["error"]["code"]) == (403, "self_grant")
    cast.app.directory.add(["Alice Zebulonette;alice@firm.example"])
    alice = caller(cast, "alice").user_id
    answer = await send(charlie, "DELETE", "/api/v1/users/alice@firm.example?heir=bob@firm.example")
    assert answer.json()["inherited"] == 1
    said = verified(answer.json()["receipt"], cast.app.audit.public_key())
    assert (said["subject"], said["met_after"], said["removed"]["directory_entries"]) == (alice, 0, 1)
    assert cast.app.directory.list() == []
    assert cast.records("user.remove")[-1].facts["erasure"] == answer.json()["id"]
    assert cast.app.projects.get(project.id, by=caller(cast, "bob"), need="owner")
    assert (
        await send(Client(cast.guard, authorization=f"Bearer {cast.keys['alice']}"), "GET", "/v1/models")
    ).status == 401


async def test_breaking_the_glass(cast: Installed, project: Project) -> None:
    charlie, alice = caller(cast, "charlie"), caller(cast, "alice")
    client, key = cast.browser("charlie"), cast.client("charlie")
    assert (await send(client, "GET", f"/api/v1/projects/{project.id}")).status == 404
    asked = {"project": project.id, "reason": REASON, "hours": 1}
    refused = await send(key, "POST", "/api/v1/break-glass", asked)
    assert (refused.status, refused.json()["error"]["code"]) == (403, "session_needed"), "a stolen key opens nothing"
    for bad in ({"reason": "short"}, {"reason": REASON, "hours": 5}, {"reason": REASON, "hours": 0}):
        refused = await send(client, "POST", "/api/v1/break-glass", {"project": project.id} | bad)
        assert refused.status == 400
    assert (await send(cast.client("auditor"), "POST", "/api/v1/break-glass", {})).status == 403
    begun = await send(client, "POST", "/api/v1/break-glass", asked)
    assert begun.status == 201
    assert (await send(client, "GET", f"/api/v1/projects/{project.id}")).json()["role"] == "reader"
    assert (await send(key, "GET", f"/api/v1/projects/{project.id}")).status == 404, "nor looks through"
    with pytest.raises(NotAllowed):
        cast.app.projects.get(project.id, by=charlie, need="contributor")
    for who in ("alice", "bob"):
        page = (await cast.browser(who).call("GET", "/privacy?", headers={"accept": "text/html"})).body.decode()
        assert "Charlie" in page and "deadline is today" in page, "those concerned see who and why"
    assert "deadline" not in (await cast.browser("manager").call("GET", "/privacy")).body.decode()
    assert (await send(cast.client("auditor"), "GET", "/api/v1/break-glass")).json()["accesses"][0][
        "by"
    ] == charlie.user_id
    (record,) = [record for record in cast.records("break_glass.begin") if record.outcome == "ok"]
    assert "deadline" not in json.dumps(record.facts) and record.facts["project"] == project.id
    access = begun.json()["id"]
    with pytest.raises(NotFound):
        cast.app.break_glass.end(access, by=caller(cast, "manager"))
    cast.app.break_glass.end(access, by=alice)
    assert (await send(client, "GET", f"/api/v1/projects/{project.id}")).status == 404
    page = (await cast.browser("alice").call("GET", "/privacy")).body.decode()
    assert "deadline is today" in page, "also after its end"
    with pytest.raises(Conflict):
        cast.app.break_glass.end(access, by=alice)


async def test_broken_glass_ends_by_itself_and_with_the_role(cast: Installed, project: Project) -> None:
    charlie, app = caller(cast, "charlie"), cast.app
    app.break_glass.begin(by=charlie, reason=REASON, hours=1, project=project.id)
    assert app.projects.get(project.id, by=charlie)
    demoted = Caller(charlie.user_id, charlie.name, "member", "session")
    with pytest.raises(NotFound):
        app.projects.get(project.id, by=demoted)
    with app.database.write() as connection:
        connection.exec_driver_sql("UPDATE break_glass SET expires_at = 1")
    with pytest.raises(NotFound):
        app.projects.get(project.id, by=charlie)


async def test_a_person_s_conversations(cast: Installed, project: Project) -> None:
    app, alice, charlie = cast.app, caller(cast, "alice"), caller(cast, "charlie")
    conversation = app.conversations.create(project, by=alice)
    app.conversations.append(
        conversation, project=project, by=alice, question="What of Zebra?", answer={"answer": "Nothing."}
    )
    opening = app.break_glass.begin(by=charlie, reason=REASON, hours=1, subject=alice.user_id)
    page = (await cast.browser("charlie").call("GET", f"/break-glass/{opening.id}")).body.decode()
    assert "What of Zebra?" in page
    with pytest.raises(NotFound):
        app.projects.get(project.id, by=charlie)
    app.break_glass.end(opening.id, by=alice)
    assert (await cast.browser("charlie").call("GET", f"/break-glass/{opening.id}")).status == 404
    assert (await cast.browser("bob").call("GET", f"/projects/{project.id}/conversations/{conversation}")).status == 404


async def test_view_as(cast: Installed, project: Project) -> None:
    path = "/api/v1/users/bob@firm.example/reach"
    (seen,) = (await send(cast.client("charlie"), "GET", path)).json()["projects"]
    assert seen == {"id": project.id, "role": "reader", "documents_count": 0}, "no name of what they can't see"
    (named,) = (await send(cast.client("alice"), "GET", path)).json()["projects"]
    assert named["name"] == "Leases"
    assert (await send(cast.client("bob"), "GET", "/api/v1/users/alice@firm.example/reach")).status == 403
    found = await send(cast.client("charlie"), "POST", "/api/v1/users/bob@firm.example/search", {"query": "lease"})
    assert found.json() == {"passages": []}
    assert next(record.object for record in cast.records("view_as")) == caller(cast, "bob").user_id
    page = (await cast.browser("bob").call("GET", "/privacy")).body.decode()
    assert "Charlie" in page, "the person sees who looked"


@pytest.mark.parametrize("page", ["/people", "/groups", "/break-glass", "/administration"])
async def test_pages(cast: Installed, project: Project, page: str) -> None:
    cast.app.groups.add(
        cast.app.groups.create("<b>Law</b>").id, user_id=caller(cast, "bob").user_id, by=caller(cast, "manager")
    )
    for lang in ("fr", "en"):
        client = cast.browser("charlie")
        client.headers["cookie"] += f"; language={lang}"
        answer = await client.call("GET", page, headers={"accept": "text/html"})
        assert answer.status == 200 and "<b>Law</b>" not in answer.body.decode()
    shared = await cast.browser("alice").call("GET", f"/projects/{project.id}/sharing")
    assert shared.status == 200 and "bob@firm.example" in shared.body.decode()
    assert (await cast.browser("alice").call("GET", f"/people/{caller(cast, 'bob').user_id}/reach")).status == 200


async def test_the_command_line_suspends_while_an_answer_is_written(cast: Installed) -> None:
    """Another process, the real command."""
    cast.engine.hangs = True
    chat = {"model": "default", "stream": True, "messages": [{"role": "user", "content": "Bonjour"}]}
    asked = asyncio.create_task(cast.client("bob").post("/v1/chat/completions", chat))
    await asyncio.sleep(0.1)
    settings = cast.app.settings
    variables = {name: value for name, value in os.environ.items() if not name.startswith("INTRAMUROS_")} | {
        "INTRAMUROS_DATA": str(settings.data), "INTRAMUROS_KEY_FILE": str(settings.key_file)}  # fmt: skip
    arguments = [sys.executable, "-m", "intramuros", "users", "suspend", "bob@firm.example", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, arguments, env=variables, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["suspended"] is True, done.stderr
    answer = await soon(asked, seconds=2)
    assert json.loads(answer.events()[-1])["error"]["code"] == "access_ended"
