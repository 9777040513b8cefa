"""The pages about keys: rights and limits as people choose them, and everybody's keys for administrators."""

from __future__ import annotations

import re

import pytest

from intramuros.accounts.keys import ApiKey
from intramuros.accounts.rights import Quota
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of


def newest(installed: Installed) -> ApiKey:
    return installed.app.api_keys.list()[0]


async def test_a_key_is_made_with_the_rights_and_limits_that_were_chosen(installed: Installed, people: People) -> None:
    chosen = {"scopes": "chosen", "scope_chat": "yes", "scope_admin": "yes"}
    answer = await people.alice.post(
        "/keys", name="Tableur", requests_per_minute="60", tokens_per_day="200 000", tokens_per_month="", **chosen
    )
    assert answer.status == 200
    rights = newest(installed).rights
    assert rights.scopes == {"chat", "admin"} and rights.quota == Quota(60, 200_000, None)
    page = text_of(await people.alice.get("/keys"))
    assert "0 sur 200 000" in page and "60 requêtes par minute" in page


async def test_what_was_used_is_shown(installed: Installed, people: People) -> None:
    await people.alice.post("/keys", name="Tableur", tokens_per_day="1000")
    installed.app.usage.spend([("key", newest(installed).id)], 250)
    page = await people.alice.get("/keys")
    assert '<progress max="1000" value="250"' in page.body.decode()
    assert "250 of 1,000" in text_of(await people.alice.get("/keys", cookie=f"{page_cookie(people)}; language=en"))


async def test_a_key_that_was_used_just_now_is_not_said_never_to_have_been(
    installed: Installed, people: People
) -> None:
    answer = await people.alice.post("/keys", name="Tableur")
    found = re.search(r'id="new-key"[^>]*>([^<]+)<', answer.body.decode())
    never = 'data-label="Dernier usage">jamais'
    before = (await people.alice.get("/keys")).body.decode().count(never)
    assert found and before > 0
    assert installed.app.identity.caller({"authorization": f"Bearer {found[1].strip()}"})
    assert (await people.alice.get("/keys")).body.decode().count(never) == before - 1


def page_cookie(people: People) -> str:
    return people.alice.client.headers["cookie"]


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": "chosen"},
        {"tokens_per_day": "-1"},
        {"tokens_per_day": "0"},
        {"tokens_per_day": "1e9"},
        {"requests_per_minute": "٣"},
        {"tokens_per_month": "9" * 13},
    ],
)
async def test_what_can_t_be_is_said_and_no_key_is_made(
    installed: Installed, people: People, fields: dict[str, str]
) -> None:
    before = len(installed.app.api_keys.list())
    answer = await people.alice.post("/keys", name="Tableur", **fields)
    assert answer.status == 400 and 'role="alert"' in answer.body.decode()
    assert len(installed.app.api_keys.list()) == before


async def test_administrators_see_limit_and_revoke_everybody_s_keys(installed: Installed, people: People) -> None:
    shown = (await people.alice.post("/keys", name="Tableur d’Alice")).body.decode()
    secret = re.search(r"imk_[0-9A-Za-z]{33}", shown)
    assert secret
    key = newest(installed)
    page = await people.charlie.get("/administration/keys")
    assert "Tableur d’Alice" in text_of(page) and "Alice" in text_of(page) and secret[0] not in page.body.decode()
    limited = {"scopes": "chosen", "scope_search": "yes", "tokens_per_day": "5"}
    assert (await people.charlie.post(f"/administration/keys/{key.id}/limit", **limited)).status == 303
    assert installed.app.api_keys.get(key.id).rights.quota == Quota(None, 5, None)
    assert installed.app.api_keys.get(key.id).rights.scopes == {"search"}
    assert (await people.charlie.post(f"/administration/keys/{key.id}/limit", tokens_per_day="x")).status == 400
    assert (await people.charlie.post(f"/administration/keys/{key.id}/revoke")).status == 303
    assert installed.app.api_keys.caller(secret[0]) is None
    assert [record.object for record in installed.records("key.limit", "key.revoke")] == [key.id] * 3
    assert (await people.charlie.post("/administration/keys/no%20such%20key/revoke")).status == 404


async def test_members_see_and_change_nobody_else_s(installed: Installed, people: People) -> None:
    await people.alice.post("/keys", name="Tableur")
    key = newest(installed)
    assert (await people.bob.get("/administration/keys")).status == 403
    for action in ("limit", "revoke"):
        assert (await people.bob.post(f"/administration/keys/{key.id}/{action}", tokens_per_day="1")).status == 403
        assert (await people.alice.post(f"/administration/keys/{key.id}/{action}", tokens_per_day="1")).status == 403
    assert installed.app.api_keys.get(key.id) == key
