"""The page of limits and budgets, what people see of their own, and a question that a limit is in the way of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from intramuros.accounts.project_limits import ProjectLimits
from intramuros.accounts.projects import Project
from intramuros.accounts.rights import Quota
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of
from tests.integration.web.test_ask import ask, asked, events, writing  # noqa: F401 - a fixture among them

PATH = "/administration/quotas"


async def test_administrators_set_change_and_take_away(installed: Installed, people: People) -> None:
    assert "Aucune limite" in text_of(await people.charlie.get(PATH))
    fields = {
        "kind": "user",
        "name": "bob@firm.example",
        "tokens_per_day": "200 000",
        "euros_per_month": "12,50",
        "weight": "2",
    }
    assert (await people.charlie.post(PATH, **fields)).status == 303
    (limit,) = installed.app.quotas.list()
    assert limit.quota == Quota(None, 200_000, None, None, 12.5, 2.0)
    installed.app.usage.spend([limit.subject], 50_000, 1.25)
    page = await people.charlie.get(PATH)
    assert "50 000 sur 200 000" in text_of(page) and "1,25 sur 12,50" in text_of(page)
    assert '<progress max="200000" value="50000"' in page.body.decode()
    assert (await people.charlie.post(PATH + "/remove", kind="user", name=limit.id)).status == 303
    assert installed.app.quotas.list() == []
    assert (await people.alice.get(PATH)).status == 403


@pytest.mark.parametrize(
    "fields",
    [{"kind": "user", "name": "nobody"}, {"kind": "role", "name": "king"}, {"kind": "x"}, {"kind": "everyone", "weight": "-1"},
     {"kind": "everyone", "tokens_per_day": "1,5"}, {"kind": "everyone", "euros_per_day": "1.2.3"}],
)  # fmt: skip
async def test_what_can_t_be_is_said(installed: Installed, people: People, fields: dict[str, str]) -> None:
    answer = await people.charlie.post(PATH, **fields)
    assert answer.status in {400, 404} and 'role="alert"' in answer.body.decode() and not installed.app.quotas.list()
    for typed in fields.keys() - {"kind"}:  # and nobody has to type it again
        assert f'value="{fields[typed]}"' in answer.body.decode()


async def test_people_see_what_they_and_their_groups_used(installed: Installed, people: People) -> None:
    alice = installed.app.quotas.find("user", "alice@firm.example").id
    charlie = installed.app.sessions.caller(installed.sessions["charlie"])
    assert charlie is not None
    group = installed.app.groups.create("Finance")
    installed.app.groups.add(group.id, user_id=alice, by=charlie)
    installed.app.quotas.set("group", group.id, Quota(tokens_per_month=1000))
    installed.app.usage.spend([("user", alice), ("group", group.id)], 321)
    page = text_of(await people.alice.get("/account"))
    assert "Groupe Finance" in page and "321 sur 1 000" in page and "Ce que vous avez utilisé" in page
    assert "Finance" not in text_of(await people.bob.get("/account"))


async def test_a_question_counts_for_its_project_and_a_limit_is_said(
    installed: Installed,
    people: People,
    asked: Project,  # noqa: F811
) -> None:
    writing(installed, "Le préavis est de trois mois [1].")
    limits = ProjectLimits(installed.app.quotas, installed.app.usage)
    installed.app.answer = replace(installed.app.answer, admit=limits.admit)
    installed.app.quotas.set("project", asked.id, Quota(tokens_per_day=10))
    assert events(await ask(people.alice, asked))[-1][0] == "done"
    alice = installed.app.quotas.find("user", "alice@firm.example")
    assert installed.app.usage.used(("project", asked.id)).tokens_today >= 10
    assert installed.app.usage.used(alice.subject).tokens_today >= 10, "people's questions count, not only keys'"
    name, data = events(await ask(people.bob, asked))[-1]
    assert name == "problem" and "Ce projet a utilisé tous ses jetons" in data["html"]
    installed.app.quotas.remove("project", asked.id)
    installed.app.quotas.set("user", alice.id, Quota(tokens_per_month=5))
    refused = await ask(people.alice, asked)
    assert refused.status == 429 and "tous vos jetons de ce mois" in refused.body.decode().replace("&#39;", "’")


async def test_a_key_is_made_for_certain_models_and_projects(
    installed: Installed,
    people: People,
    asked: Project,  # noqa: F811
) -> None:
    page = (await people.alice.get("/keys")).body.decode()
    assert f'name="projects_{asked.id}"' in page
    await people.alice.post(
        "/keys",
        name="Tableur",
        models="chosen",
        projects="chosen",
        **{f"projects_{asked.id}": "yes", "models_small": "yes"},
    )
    rights = installed.app.api_keys.list()[0].rights
    assert rights.projects == frozenset({asked.id}) and rights.models == frozenset({"small"})
    key = installed.app.api_keys.list()[0]
    await people.charlie.post(f"/administration/keys/{key.id}/limit", models="chosen", euros_per_month="3")
    rights = installed.app.api_keys.get(key.id).rights
    assert rights.models is None and rights.projects == frozenset({asked.id}) and rights.quota.euros_per_month == 3
