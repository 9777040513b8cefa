"""What a host's model gets, which may be anywhere: aliases in place of names, or nothing, but where it is inside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.caller import Caller
from intramuros.api.mcp.leaving import Leaving
from intramuros.privacy.redact.finding import Finding
from intramuros.settings import load
from intramuros.storage.erasable import Subject
from tests.installed import Installed, installation
from tests.integration.api.mcp import Host, said
from tests.integration.api.test_projects import added, ready

NAME, IBAN, FILE = "Jean Dupont", "CH93 0076 2011 6238 5295 7", "zsombor-qx.md"
LETTER = f"# Bail\n\nM. {NAME} paie un loyer de 900 francs à {IBAN}. Le préavis est de six mois.\n"
VALUES = (NAME, "Dupont", IBAN, "zsombor", "Baux")


@pytest.fixture
def settings() -> dict[str, str]:
    return {"mcp_hosts": "masked"}


@pytest.fixture
async def installed(tmp_path: Path, settings: dict[str, str]) -> AsyncIterator[Installed]:
    with installation(tmp_path, **settings) as made:
        async with made.app.running():
            alice = made.client("alice")
            project = (await alice.post("/api/v1/projects", {"name": "Baux"})).json()["id"]
            await added(alice, project, (FILE, LETTER.encode()))
            assert [one["state"] for one in await ready(alice, project)] == ["ready"]
            yield made


async def address(installed: Installed) -> str:
    found = await Host(installed, "alice").tool("search", query="loyer")
    return str(found["structuredContent"]["passages"][0]["uri"])


def test_masked_is_what_holds_when_nobody_says() -> None:
    assert load({}, environ={}).mcp_hosts == "masked" and not load({}, environ={}).mcp_inside


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "search", "arguments": {"query": "loyer"}}),
        ("tools/call", {"name": "ask", "arguments": {"question": "Quel est le loyer ?"}}),
        ("tools/call", {"name": "list_projects", "arguments": {}}),
        ("tools/call", {"name": "read_passage", "arguments": {"uri": "…"}}),
        ("resources/list", {}),
        ("resources/read", {"uri": "…"}),
    ],
)
async def test_nothing_of_anybody_is_given(installed: Installed, method: str, params: dict[str, Any]) -> None:
    uri = await address(installed)
    answer = await Host(installed, "alice").ask(method, **json.loads(json.dumps(params).replace("\\u2026", uri)))
    assert answer.status == 200
    text = json.dumps(said(answer), ensure_ascii=False)
    assert "⟦" in text and '"isError": true' not in text, text
    for value in VALUES:
        assert value not in text, value
    if "read" in json.dumps(params) or "search" in json.dumps(params):
        assert "900 francs" in text and "⟦PERSON_" in text
    record = installed.records()[-1]
    assert record.facts["route"] == "outside" and record.facts["masked"] and record.facts["policy"]


async def test_an_address_stays_one_and_aliases_are_the_same_and_understood(installed: Installed) -> None:
    host = Host(installed, "alice")
    first, second = [await host.tool("search", query="loyer") for _ in range(2)]
    assert first == second and "intramuros://projects/" in first["content"][0]["text"]
    [passage] = first["structuredContent"]["passages"]
    alias = next(word for word in passage["text"].split() if word.startswith("⟦PERSON_"))
    found = await host.tool("search", query=f"Combien paie {alias} ?")
    assert found["structuredContent"]["passages"], "the question was not understood"
    projects = await host.tool("list_projects")
    named = projects["structuredContent"]["projects"][0]["name"]
    asked = await host.tool("search", query="loyer", project=named)
    assert asked["structuredContent"]["passages"] and not asked["isError"]


async def test_what_only_begins_like_an_address_is_text(installed: Installed) -> None:
    alice = installed.client("alice")
    [project] = installed.app.projects.list(_caller(installed))
    letter = f"Le portail quetzal : intramuros://projects/{IBAN.replace(' ', '')}/documents\n"
    await added(alice, project.id, ("portail.md", letter.encode()))
    assert {one["state"] for one in await ready(alice, project.id)} == {"ready"}
    found = await Host(installed, "alice").tool("search", query="portail quetzal")
    assert "quetzal" in json.dumps(found) and IBAN.replace(" ", "") not in json.dumps(found)


async def test_an_error_that_names_projects_gives_no_names(installed: Installed) -> None:
    host = Host(installed, "alice")
    assert (await installed.client("alice").post("/api/v1/projects", {"name": "Rachat Zsombor"})).status == 201
    several = await host.tool("ask", question="Quel est le loyer ?")
    assert several["isError"] and "The projects are: ⟦" in json.dumps(several, ensure_ascii=False)
    assert "Baux" not in json.dumps(several) and "Zsombor" not in json.dumps(several)
    [named, _] = (await host.tool("list_projects"))["structuredContent"]["projects"]
    assert (await host.tool("search", query="loyer", project=named["name"]))["isError"] is False
    for project in installed.app.projects.list(_caller(installed)):
        await asyncio.to_thread(installed.app.erasure.remove, Subject("project", project.id), by="local")
    gone = await host.tool("search", query="loyer", project=named["name"])
    assert gone["isError"] and "Baux" not in json.dumps(gone) and "Zsombor" not in json.dumps(gone)


async def test_another_key_gets_other_aliases(installed: Installed) -> None:
    installed.keys["again"] = installed.app.api_keys.create("again", _user(installed))[0]
    texts = [
        (await Host(installed, who).tool("search", query="loyer"))["structuredContent"]["passages"][0]["text"]
        for who in ("alice", "again")
    ]
    assert texts[0] != texts[1]


async def test_an_alias_is_of_the_same_value_whatever_was_met_before(installed: Installed) -> None:
    """A host keeps aliases for longer than this process lives: none may be another's then."""
    values = [f"person{number}@firm.example" for number in range(1000)]
    redactor = installed.app.redactor
    by = Caller(_user(installed), "Alice", "member", "key:1", "fr")
    met = []
    for order in (values, values[::-1]):
        aliases = Leaving(installed.app.settings, lambda: redactor, b"k" * 32)._aliases(by)
        met.append({value: aliases.alias("EMAIL_ADDRESS", value) for value in order})
    assert met[0] == met[1] and len(set(met[0].values())) == len(values)


async def test_a_detector_that_fails_gives_nothing(installed: Installed) -> None:
    class Broken:
        name = "broken"

        def analyse(self, text: str, language: str) -> Sequence[Finding]:
            raise RuntimeError(text)

    uri, host = await address(installed), Host(installed, "alice")
    broken = installed.app.redactor.with_tiers(Broken())
    object.__setattr__(installed.app.redactor, "recognisers", broken.recognisers)
    found = await host.tool("search", query="loyer")
    assert found["isError"] and "structuredContent" not in found and "900" not in json.dumps(found)
    answer = await host.ask("resources/read", uri=uri)
    assert "error" in said(answer) and b"900" not in answer.body


async def test_a_secret_in_a_document_is_not_given(installed: Installed) -> None:
    alice = installed.client("alice")
    [project] = installed.app.projects.list(_caller(installed))
    pem = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 4 + "\n-----END PRIVATE KEY-----\n"
    await added(alice, project.id, ("geheim.md", f"# Serveur\n\nLe serveur zinnober a la clé :\n\n{pem}".encode()))
    assert {one["state"] for one in await ready(alice, project.id)} == {"ready"}
    found = await Host(installed, "alice").tool("search", query="serveur zinnober clé")
    assert found["isError"] and "MIIEvQ" not in json.dumps(found)


@pytest.mark.parametrize("settings", [{"mcp_hosts": "refused"}])
async def test_policy_can_forbid_it(installed: Installed) -> None:
    host = Host(installed, "alice")
    found = await host.tool("search", query="loyer")
    assert found["isError"] and "may not go to MCP hosts" in found["content"][0]["text"]
    answer = await host.ask("resources/list")
    assert said(answer)["error"]["data"]["code"] == "outside_not_allowed" and b"zsombor" not in answer.body
    assert (await host.ask("tools/list")).status == 200


@pytest.mark.parametrize("settings", [{"mcp_hosts": "refused"}, {"mcp_hosts": "masked"}])
async def test_a_key_whose_host_is_inside_gets_documents_as_they_are(installed: Installed) -> None:
    key = next(one.id for one in installed.app.api_keys.list() if one.user_id == _user(installed))
    object.__setattr__(installed.app.settings, "mcp_inside_keys", f"other, {key}")
    found = await Host(installed, "alice").tool("search", query="loyer")
    assert NAME in found["structuredContent"]["passages"][0]["text"]
    assert "route" not in installed.records("search")[-1].facts


def _user(installed: Installed) -> str:
    user = installed.app.users.by_email("alice@firm.example")
    assert user is not None
    return user.id


def _caller(installed: Installed) -> Caller:
    return Caller(_user(installed), "Alice", "member", "session", "fr")
