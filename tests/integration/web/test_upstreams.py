"""The page of other model servers: what it shows, what it keeps, and that no key comes back."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from intramuros.engines.routing import Routing
from intramuros.engines.upstream import Waits
from tests.asgi import Answer
from tests.installed import Installed
from tests.integration.web.conftest import Browser, People, text_of
from tests.support.upstream_server import upstream_server

PAGE = "/administration/upstreams"
CLOUD = {
    "name": "cloud",
    "url": "https://api.example.com",
    "where": "outside",
    "models": "gpt, gpt-mini",
    "key": "sk-secret",
}


async def test_administrators_only(people: People) -> None:
    assert (await people.charlie.get(PAGE)).status == 200
    assert (await people.alice.get(PAGE)).status in {403, 404}
    assert (await people.charlie.post(PAGE, csrf_token="wrong", **CLOUD)).status == 403
    assert (await people.charlie.post(PAGE + "/cloud/test", csrf_token="wrong")).status == 403


async def test_added_agreed_to_routed_and_removed(people: People, installed: Installed) -> None:
    charlie = people.charlie
    assert (await charlie.post(PAGE, **CLOUD, price_in="2,50")).status == 303
    page = await charlie.get(PAGE)
    assert "cloud/gpt-mini" in text_of(page) and "2,50" in text_of(page) and "sk-secret" not in page.body.decode()
    assert installed.app.router.routing.upstream("cloud").key == "sk-secret"

    assert (await charlie.post(PAGE + "/cloud/agree", person="alice@firm.example")).status == 303
    assert (await charlie.post(PAGE + "/cloud/agree", everybody="yes")).status == 303
    assert (await charlie.post(PAGE + "/cloud/agree")).status == 400
    assert "alice@firm.example" in text_of(await charlie.get(PAGE))
    assert (await charlie.post(PAGE + "/cloud/withdraw", kind="everybody", subject="")).status == 303
    assert len(installed.app.router.routing.table.consents) == 1

    plan = {
        "name": "big",
        "targets": "local/scripted=3\ncloud/gpt",
        "fallbacks": "cloud/gpt-mini",
        "shadow": "cloud/gpt-mini",
    }
    assert (await charlie.post("/administration/routes", **plan)).status == 400
    wrong = await charlie.post("/administration/routes", **plan, shadow_share="some")
    assert wrong.status == 400 and "Cette route ne va pas" in text_of(wrong)
    assert (await charlie.post("/administration/routes", **plan, shadow_share="5 %")).status == 303
    route = installed.app.router.routing.route("big")
    assert route.targets[0].weight == 3 and route.shadow_share == 0.05
    refused = await charlie.post(PAGE + "/cloud/remove")
    assert refused.status == 409 and "cloud" in text_of(refused)
    assert (await charlie.post("/administration/routes/remove", name="big")).status == 303
    assert (await charlie.post(PAGE + "/cloud/remove")).status == 303
    assert "cloud/gpt" not in text_of(await charlie.get(PAGE))


def was(page: Answer) -> str:
    """The version that a form is of."""
    found = re.search(r'name="was" value="([0-9a-f]+)"', page.body.decode())
    assert found
    return found[1]


async def test_an_upstream_is_changed_and_its_key_stays_or_is_given_again(people: People, installed: Installed) -> None:
    charlie, routing = people.charlie, installed.app.router.routing
    await charlie.post(PAGE, **CLOUD, price_in="2,50", first_token_s="7,5", probes="no")
    form = await charlie.get(PAGE + "/cloud")
    assert "sk-secret" not in form.body.decode() and 'value="7,5"' in form.body.decode()
    changed = CLOUD | {"models": "gpt-5", "key": "", "price_in": "3", "connect_s": "", "context_tokens": "128 000"}
    assert (await charlie.post(PAGE + "/cloud", **changed, was=was(form))).status == 303
    kept = routing.upstream("cloud")
    assert (kept.key, kept.models, kept.price_in, kept.context_tokens) == ("sk-secret", ("gpt-5",), 3.0, 128_000)
    assert kept.waits == Waits() and kept.probes is None and kept.created_at
    assert installed.records("upstream.set")[-1].object == "cloud"

    form = await charlie.get(PAGE + "/cloud")
    elsewhere = changed | {"url": "https://api.example.org"}
    refused = await charlie.post(PAGE + "/cloud", **elsewhere, was=was(form))
    assert refused.status == 400 and "redonnez-la" in text_of(refused) and "api.example.org" in refused.body.decode()
    assert (await charlie.post(PAGE + "/cloud", **elsewhere | {"key": "sk-other"}, was=was(refused))).status == 303
    assert routing.upstream("cloud").key == "sk-other"
    form = await charlie.get(PAGE + "/cloud")
    assert (await charlie.post(PAGE + "/cloud", **elsewhere, no_key="yes", was=was(form))).status == 303
    assert routing.upstream("cloud").key is None
    assert (await charlie.get(PAGE + "/none-such")).status == 404
    assert (await charlie.post(PAGE + "/none-such", **changed, was="x")).status == 404
    assert (await people.alice.get(PAGE + "/cloud")).status in {403, 404}
    assert (await people.alice.post(PAGE + "/cloud", **changed, was="x")).status in {403, 404}
    assert (await charlie.post(PAGE + "/cloud", csrf_token="wrong", **changed)).status == 403


async def test_what_somebody_else_changed_meanwhile_is_shown_and_not_lost(people: People, installed: Installed) -> None:
    charlie, routing = people.charlie, installed.app.router.routing
    await charlie.post(PAGE, **CLOUD)
    form = await charlie.get(PAGE + "/cloud")
    elsewhere = Routing(installed.app.database, key=routing._key)  # another process, which this one has not looked at
    elsewhere.change(replace(routing.upstream("cloud"), models=("theirs",)))
    mine = CLOUD | {"models": "mine", "key": ""}
    refused = await charlie.post(PAGE + "/cloud", **{k: v for k, v in mine.items() if k != "name"}, was=was(form))
    assert refused.status == 409 and "entre-temps" in text_of(refused)
    assert "Nom cloud" not in text_of(refused), "the name is not among what the form changes"
    assert "theirs" in text_of(refused) and 'value="mine"' in refused.body.decode()
    assert routing.upstream("cloud").models == ("theirs",)
    assert (await charlie.post(PAGE + "/cloud", **mine, was=was(refused))).status == 303
    assert routing.upstream("cloud").models == ("mine",)
    form = await charlie.get(PAGE + "/cloud")
    routing.change(replace(routing.upstream("cloud"), key="sk-new"), same_key=False)
    assert (
        await charlie.post(PAGE + "/cloud", **mine, was=was(form))
    ).status == 409  # a key counts, though it isn't shown


async def test_a_consent_is_to_the_server_that_the_page_showed(people: People, installed: Installed) -> None:
    charlie, routing = people.charlie, installed.app.router.routing
    await charlie.post(PAGE, **CLOUD)
    page = await charlie.get(PAGE)
    cloud = routing.upstream("cloud")
    routing.change(replace(cloud, url="https://api.example.org", key="sk-other"), same_key=False)
    for whose in ({"everybody": "yes"}, {"person": "alice@firm.example"}):
        refused = await charlie.post(PAGE + "/cloud/agree", **whose, was=was(page))
        assert refused.status == 409 and "entre-temps" in text_of(refused)
    assert not routing.table.consents
    assert (await charlie.post(PAGE + "/cloud/agree", everybody="yes", was=was(refused))).status == 303
    assert len(routing.table.consents) == 1


async def test_a_route_is_changed_and_never_by_accident(people: People, installed: Installed) -> None:
    charlie, routing, routes = people.charlie, installed.app.router.routing, "/administration/routes"
    await charlie.post(PAGE, **CLOUD)
    plan = {"name": "team/big", "targets": "local/scripted=3\ncloud/gpt", "fallbacks": "cloud/gpt-mini"}
    assert (await charlie.post(routes, **plan)).status == 303
    again = await charlie.post(routes, **plan | {"targets": "cloud/gpt"})
    assert again.status == 409 and "existe déjà" in text_of(again) and routing.route("team/big").targets[0].is_local
    page = await charlie.get(routes + "?name=team/big")
    assert "local/scripted=3" in page.body.decode() and "Rien encore" in text_of(page)
    shadowed = plan | {"targets": "cloud/gpt", "shadow": "local/scripted", "shadow_share": "2,5"}
    assert (await charlie.post(routes, **shadowed, was=was(page))).status == 303
    assert routing.route("team/big").shadow_share == 0.025
    late = await charlie.post(routes, **plan, was=was(page))
    assert late.status == 409 and "entre-temps" in text_of(late) and "2,5" in text_of(late)
    assert (await charlie.post(routes, **plan, was=was(late))).status == 303
    wrong = await charlie.post(
        routes, **plan | {"targets": "nobody"}, was=was(await charlie.get(routes + "?name=team/big"))
    )
    assert wrong.status == 400 and "nobody" in wrong.body.decode() and 'name="was"' in wrong.body.decode()
    assert (await charlie.get(routes)).status == 303
    assert (await charlie.get(routes + "?name=none-such")).status == 404
    assert (await people.alice.get(routes + "?name=team/big")).status in {403, 404}


async def test_renamed_on_their_pages(people: People, installed: Installed) -> None:
    charlie, routing, routes = people.charlie, installed.app.router.routing, "/administration/routes"
    await charlie.post(PAGE, **CLOUD)
    await charlie.post(routes, name="team/big", targets="cloud/gpt")
    await charlie.post(PAGE + "/cloud/agree", everybody="yes")
    form = await charlie.get(PAGE + "/cloud")
    for word in ("Ces routes suivent", "team/big", "restent en vigueur", "doivent demander le nouveau nom"):
        assert word in text_of(form)
    page = await _then(charlie, await charlie.post(PAGE + "/cloud/rename", to="sky", was=was(form)))
    assert "Son nom est maintenant sky" in text_of(page) and routing.route("team/big").targets[0].name == "sky/gpt"
    assert [consent.upstream for consent in routing.table.consents] == ["sky"]
    assert (installed.records("upstream.rename")[-1].object, installed.records("upstream.rename")[-1].facts["was"]) == (
        "sky",
        "cloud",
    )

    form = await charlie.get(routes + "?name=team/big")
    page = await _then(charlie, await charlie.post(routes + "/rename", name="team/big", to="grand", was=was(form)))
    assert "Son nom est maintenant grand" in text_of(page)
    taken = await charlie.post(routes + "/rename", name="grand", to="sky/gpt", was=was(page))
    assert taken.status == 409 and "celui d’un serveur de cette page" in text_of(taken)
    assert 'value="sky/gpt"' in taken.body.decode(), "what was typed"
    wrong = await charlie.post(PAGE + "/sky/rename", to="Grand Ciel", was=was(await charlie.get(PAGE + "/sky")))
    assert wrong.status == 400 and "minuscules, chiffres" in text_of(wrong)
    form = await charlie.get(PAGE + "/sky")
    routing.change(replace(routing.upstream("sky"), models=("gpt",)))
    late = await charlie.post(PAGE + "/sky/rename", to="x", was=was(form))
    assert late.status == 409 and "entre-temps" in text_of(late)
    assert (await charlie.post(PAGE + "/cloud/rename", to="x", was="")).status == 404
    assert (await charlie.post(routes + "/rename", name="team/big", to="x", was="")).status == 404
    assert (await charlie.post(PAGE + "/sky/rename", csrf_token="no", to="x")).status == 403
    assert (await people.alice.post(PAGE + "/sky/rename", to="x")).status in {403, 404}
    assert (await people.alice.post(routes + "/rename", name="grand", to="x")).status in {403, 404}


async def test_removing_says_what_would_break(people: People, installed: Installed) -> None:
    charlie = people.charlie
    await charlie.post(PAGE, **CLOUD)
    await charlie.post("/administration/routes", name="team", targets="cloud/gpt")
    page = await charlie.get(PAGE)
    assert "cesseraient de répondre" in text_of(page) and "seront refusés" in text_of(page)
    assert 'action="/administration/upstreams/cloud/remove"' not in page.body.decode()
    refused = await charlie.post(PAGE + "/cloud/remove")
    assert refused.status == 409 and "Ces routes s’en servent" in text_of(refused) and "team" in text_of(refused)
    await charlie.post("/administration/routes/remove", name="team")
    assert 'action="/administration/upstreams/cloud/remove"' in (await charlie.get(PAGE)).body.decode()


async def _then(browser: Browser, sent: Answer) -> Answer:
    """The page that a form sends the browser to."""
    assert sent.status == 303, text_of(sent)
    return await browser.get(sent.headers["location"])


async def test_saved_and_tried_in_one_go(people: People, installed: Installed) -> None:
    async with upstream_server() as server:
        await people.charlie.post(PAGE, name="gpu", url=server.url, where="inside", models="big")
        form = await people.charlie.get(PAGE + "/gpu")
        mine = {"url": server.url, "where": "inside", "models": "big,gone", "then": "test"}
        sent = await people.charlie.post(PAGE + "/gpu", **mine, was=was(form))
        for _ in range(2):  # the page may be loaded again: nothing is sent twice
            page = await _then(people.charlie, sent)
            assert "C’est enregistré" in text_of(page) and "Il n’a pas : gone" in text_of(page)
    page = await _then(people.charlie, await people.charlie.post(PAGE + "/gpu", **mine, was=was(page)))
    assert "Rien ne répond à cette adresse" in text_of(page)
    routing = installed.app.router.routing
    routing.change(replace(routing.upstream("gpu"), models=("big",)))
    page = await people.charlie.get(sent.headers["location"])
    assert "Il n’a pas" not in text_of(page), "how it was before it was described in another way"


@pytest.mark.parametrize(
    "wrong", [{"url": "http://api.example.com"}, {"name": "Big One"}, {"price_in": "cheap"}, {"key": "a b"}]
)
async def test_what_can_not_be_is_said_without_the_key(people: People, wrong: dict[str, str]) -> None:
    answer = await people.charlie.post(PAGE, **(CLOUD | wrong))
    assert answer.status == 400 and "sk-secret" not in answer.body.decode()


async def test_tried_and_its_state_is_shown(people: People, installed: Installed) -> None:
    async with upstream_server() as server:
        await people.charlie.post(PAGE, name="gpu", url=server.url, where="inside", models="big,gone")
        page = text_of(await _then(people.charlie, await people.charlie.post(PAGE + "/gpu/test")))
        assert "gpu répond" in page and "gone" in page
        await people.charlie.post("/administration/routes", name="team", targets="gpu/big")
        chat = {"model": "team", "messages": [{"role": "user", "content": "Bonjour"}]}
        assert (await installed.client("alice").post("/v1/chat/completions", chat)).status == 200
        assert "Répond" in text_of(await people.charlie.get(PAGE))
    assert "ne répond pas" in text_of(await _then(people.charlie, await people.charlie.post(PAGE + "/gpu/test")))


async def test_what_was_seen_of_it_is_shown_and_a_route_names_what_it_lists(
    people: People, installed: Installed
) -> None:
    async with upstream_server() as server:
        await people.charlie.post(PAGE, name="gpu", url=server.url, where="inside", models="big,gone")
        await people.charlie.post(PAGE, **CLOUD)
        await installed.app.router.probes.look()
        page = text_of(await people.charlie.get(PAGE))
        assert "Présent" in page and "gone" in page and "Pas observé" in page
        wrong = await people.charlie.post("/administration/routes", name="team", targets="gpu/small")
        assert wrong.status == 400 and "Il annonce : big, gone." in text_of(wrong)
    for _ in range(2):
        installed.app.router.probes.seen["gpu"] = replace(installed.app.router.probes.seen["gpu"], checked_at=0.0)
        await installed.app.router.probes.look()
    page = text_of(await people.charlie.get(PAGE))
    assert "Ne répond pas, 2 essais" in page and "vu pour la dernière fois" in page


async def test_pages_say_that_a_text_may_leave_only_where_it_may(people: People, installed: Installed) -> None:
    await people.charlie.post(PAGE, **CLOUD)
    start, privacy = text_of(await people.alice.get("/")), text_of(await people.alice.get("/privacy"))
    assert "restent sur cette machine" in start and "Aucun service extérieur" in privacy
    installed.app.router.lets_outside = True
    start, privacy = text_of(await people.alice.get("/")), text_of(await people.alice.get("/privacy"))
    assert "ne sort qu’avec un accord" in start and "restent sur cette machine" not in start
    assert "Aucun service extérieur" not in privacy and "cloud" in privacy
