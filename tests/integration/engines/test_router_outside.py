"""The router and the outside: what never leaves, who must have agreed, and what of a text is hidden."""

from __future__ import annotations

import asyncio

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.projects import Project
from intramuros.engines.asked import Asked, asking
from intramuros.engines.route import Target
from intramuros.engines.routing import Consent
from intramuros.errors import (
    BadRequest,
    DetectorFailed,
    NotFound,
    OutsideNotAllowed,
)
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.tasks.conversation import Conversations
from tests.integration.conftest import People
from tests.integration.engines.routed_place import (
    ABOUT,
    MAIL,
    NAME,
    Place,
    entry,
    fails,
)
from tests.support.upstream_server import Call, says


async def test_nothing_goes_outside_unless_the_policy_lets_it(place: Place, agreed: Asked) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m")
    place.router.lets_outside = False
    with asking(agreed), pytest.raises(OutsideNotAllowed) as error:
        await place.stream()
    assert (error.value.status, error.value.code, error.value.details["reason"]) == (
        403,
        "outside_not_allowed",
        "policy",
    )
    assert one.calls == []


async def test_nothing_goes_outside_unless_somebody_agreed(place: Place) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m")
    for asked, reason in ((None, "nobody"), (Asked(LOCAL, entry()), "consent")):
        with asking(asked), pytest.raises(OutsideNotAllowed) as error:
            await place.whole()
        assert error.value.details["reason"] == reason and error.value.hint
    assert one.calls == []


async def test_what_a_request_leaves_behind_has_not_its_consent(place: Place, agreed: Asked) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m")
    over = asyncio.Event()

    async def goes_on() -> str:
        await over.wait()
        return await place.whole()

    with asking(agreed):
        during, after = asyncio.create_task(place.whole()), asyncio.create_task(goes_on())
        assert await during == "one"
    over.set()
    with pytest.raises(OutsideNotAllowed):
        await after
    assert len(one.calls) == 1


async def test_what_may_not_go_outside_stays_inside_where_it_can(place: Place) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m", fallbacks=["local/scripted"])
    with asking(Asked(LOCAL, noted := entry())):
        assert await place.stream(ABOUT) == "local"
    assert one.calls == [] and noted.facts["upstream"] == "local/scripted" and "targets" not in noted.facts


@pytest.mark.parametrize("way", ["stream", "whole"])
async def test_names_are_masked_on_the_wire_and_restored_in_the_answer(place: Place, agreed: Asked, way: str) -> None:
    async def echoes(call: Call) -> None:
        text = call.body["messages"][0]["content"]
        await says(*(text[at : at + 3] for at in range(0, len(text), 3)))(call)

    one = await place.server("one", echoes, outside=True, key="sk-secret")
    place.route("one/m")
    with asking(agreed):
        assert await getattr(place, way)(ABOUT) == ABOUT["messages"][0]["content"]
    assert NAME not in one.wire and "Dupont" not in one.wire and MAIL not in one.wire and "⟦PERSON_" in one.wire
    facts = agreed.entry.facts
    assert facts["route"] == "outside" and facts["upstream"] == "one/m" and facts["targets"] == ["one/m"]
    assert facts["masked"] == {"PERSON": 1, "EMAIL_ADDRESS": 1} and facts["restored"] == 2 and facts["policy"]


async def test_what_went_outside_stays_noted_when_this_machine_answers(place: Place, agreed: Asked) -> None:
    await place.server("one", fails, outside=True)
    await place.server("two", fails, outside=True)
    place.route("one/m", fallbacks=["two/m", "local/scripted"])
    with asking(agreed):
        assert await place.stream(ABOUT) == "local"
    facts = agreed.entry.facts
    assert facts["route"] == "outside" and facts["targets"] == ["one/m", "two/m"]
    assert facts["upstream"] == "local/scripted" and facts["masked"] == {"PERSON": 1, "EMAIL_ADDRESS": 1}


async def test_a_detector_that_fails_stops_the_request(
    place: Place, agreed: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m", fallbacks=["local/scripted"])

    def fail(*_: object) -> None:
        raise DetectorFailed("the detector of names failed")

    monkeypatch.setattr("intramuros.privacy.redact.chat.ChatHider.hide", fail)
    for way in (place.stream, place.whole):
        with asking(agreed), pytest.raises(DetectorFailed):
            await way(ABOUT)
    assert one.calls == [] and place.local.asked == [] and "targets" not in agreed.entry.facts


async def test_standing_consent_is_a_persons_a_keys_a_projects_or_everybodys(
    place: Place, people: People, api_keys: ApiKeys, project: Project
) -> None:
    await place.server("one", outside=True)
    await place.server("two", outside=True)
    place.route("one/m")
    routing = place.router.routing
    key = api_keys.create("test", people.bob.user_id)[1]
    by_key = Caller(people.bob.user_id, "Bob", "member", f"key:{key.id}")

    async def may(asked: Asked) -> bool:
        with asking(asked):
            try:
                return await place.whole() == "one"
            except OutsideNotAllowed:
                return False

    for consent, who, other in (
        (Consent("one", "user", people.alice.user_id), Asked(people.alice, entry()), Asked(people.bob, entry())),
        (Consent("one", "key", key.id), Asked(by_key, entry()), Asked(people.bob, entry())),
        (
            Consent("one", "project", project.id),
            Asked(people.bob, entry(), project_id=project.id),
            Asked(people.bob, entry()),
        ),
    ):
        assert not await may(who)
        routing.agree(consent)
        routing.agree(consent)
        assert await may(who) and not await may(other)
        with asking(who), pytest.raises(OutsideNotAllowed):
            await place.whole(name="two/m")
        routing.withdraw(consent)
        assert not await may(who)
    routing.agree(Consent("one", "everybody", ""))
    assert await may(Asked(people.charlie, entry()))
    for wrong in (Consent("one", "user", ""), Consent("one", "everybody", "x"), Consent("one", "cat", "x")):
        with pytest.raises(BadRequest):
            routing.agree(wrong)
    with pytest.raises(NotFound):
        routing.agree(Consent("one", "user", "nobody"))


async def test_a_conversations_aliases_stay_the_same(
    place: Place, people: People, project: Project, database: Database, subject_keys: SubjectKeys
) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m")
    conversations = Conversations(database, subject_keys)
    first, second = (conversations.create(project, by=people.alice) for _ in range(2))
    for conversation in (first, first, second, None, None):
        asked = Asked(people.alice, entry(), agrees=True, project_id=project.id, conversation_id=conversation)
        with asking(asked):
            await place.whole(ABOUT)
    sent = [body["messages"][0]["content"] for body in one.chats]
    assert sent[0] == sent[1] and len({sent[0], *sent[2:]}) == 4


async def test_aliases_that_are_gone_stop_the_request(place: Place, people: People, project: Project) -> None:
    one = await place.server("one", outside=True)
    place.route("one/m", fallbacks=["local/scripted"])
    asked = Asked(people.alice, entry(), agrees=True, project_id=project.id, conversation_id="gone")
    for _ in range(4):
        with asking(asked), pytest.raises(DetectorFailed):
            await place.whole(ABOUT)
    assert one.calls == [] and place.local.asked == []
    assert place.router.states()[0]["breaker"] == "closed"


async def test_nothing_leaves_for_a_request_whose_record_is_closed(place: Place, agreed: Asked) -> None:
    new = await place.server("new", outside=True)
    place.route("new/m")
    with asking(agreed):
        async with place.router.engine("big") as engine:
            agreed.entry.finished(None)
            with pytest.raises(RuntimeError, match="is closed"):
                await engine.generate(ABOUT)
    with pytest.raises(OutsideNotAllowed, match="has ended"):  # closed only after the attempt was noted
        async with place.router.connected(Target("new", "m"), agreed) as outside:
            await outside.generate({**ABOUT, "model": "m"})
    assert new.calls == []
