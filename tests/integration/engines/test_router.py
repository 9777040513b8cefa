"""The router over real servers and a real database: who answers, and what is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.engines.asked import Asked, asking
from intramuros.engines.route import Route, Target
from intramuros.engines.routing import Routing
from intramuros.engines.upstream import Upstream
from intramuros.errors import (
    BadRequest,
    Conflict,
    ContextOverflow,
    EngineError,
    ModelNotFound,
    NoBackEnd,
    NoTarget,
    NotFound,
    UpstreamFailed,
)
from intramuros.storage.database import Database
from tests.integration.engines.routed_place import (
    ASK,
    OVERFLOW,
    Place,
    breaks_after_a_word,
    breaks_after_its_role,
    entry,
    fails,
    said,
    settled,
)
from tests.models.engines import until
from tests.scripted import ScriptedEngine
from tests.support.upstream_server import Behaviour, Call, answers, says


async def test_a_name_without_a_route_is_the_pools_own_engine(place: Place) -> None:
    async with place.router.engine("scripted") as engine:
        assert engine is place.local
    with pytest.raises(ModelNotFound):
        async with place.router.engine("nothing"):
            pass


async def test_no_request_reads_the_database(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.server("one")
    place.route("one/m")
    assert await place.whole() == "one"

    def read(_: object) -> None:
        raise AssertionError("a request read the database")

    monkeypatch.setattr(Database, "read", read)
    assert await place.whole() == "one" and await place.stream() == "one"
    assert await place.whole(name="scripted") == "local"


async def test_every_model_of_an_upstream_has_a_name_of_its_own(place: Place) -> None:
    await place.server("one")
    assert await place.whole(name="one/m") == "one"
    assert place.router.has("one/m") and place.router.names() == ["one/m"]


@pytest.mark.parametrize("way", ["stream", "whole"])
@pytest.mark.parametrize("broken", [fails, breaks_after_its_role, answers([], 200), answers({}, 429), answers({}, 302)])
async def test_what_fails_before_the_first_token_is_answered_elsewhere(
    place: Place, broken: Behaviour, way: str
) -> None:
    await place.server("one", broken)
    await place.server("two")
    place.route("one/m", fallbacks=["two/m"])
    with asking(Asked(LOCAL, noted := entry())):
        assert await getattr(place, way)() == "two"
    assert len(place.servers["one"].chats) == len(place.servers["two"].chats) == 1
    assert noted.facts["upstream"] == "two/m" and noted.facts["attempts"] == 2 and "targets" not in noted.facts


async def test_this_machine_is_a_target_like_others(place: Place) -> None:
    await place.server("one", fails)
    place.route("one/m", fallbacks=["local/scripted"])
    assert await place.whole() == await place.stream() == "local"
    assert place.local.asked[0]["model"] == "scripted"


async def test_a_request_for_an_adapter_goes_to_this_machine_only(place: Place) -> None:
    adapted = ASK | {"adapter": "formal"}
    server = await place.server("near")
    place.route("near/m", "local/scripted", shadow="near/m", shadow_share=1.0)
    for _ in range(8):
        assert await place.whole(adapted) == "local"
    await settled(place)
    place.route("near/m")
    for ask in (place.whole, place.stream):
        with pytest.raises(BadRequest, match="adapters act only where"):
            await ask(adapted)
    assert server.calls == []


async def test_after_the_first_token_nothing_is_sent_again_and_nothing_is_spliced(place: Place) -> None:
    await place.server("one", breaks_after_a_word)
    await place.server("two")
    place.route("one/m", fallbacks=["two/m"])
    got: list[bytes] = []
    async with place.router.engine("big") as engine:
        with pytest.raises(UpstreamFailed) as error:
            async for chunk in engine.stream(ASK):
                got.append(chunk)
    assert said(got) == "Bon" and error.value.code == "upstream_cut_off"
    assert len(place.servers["one"].chats) == 1 and place.servers["two"].chats == []


async def test_what_the_request_itself_causes_is_tried_nowhere_else(place: Place) -> None:
    await place.server("one", answers({"error": {"message": "temperature"}}, 400))
    await place.server("two")
    place.route("one/m", fallbacks=["two/m"])
    for _ in range(5):
        with pytest.raises(BadRequest):
            await place.whole()
    assert place.servers["two"].chats == []
    assert place.router.states()[0]["breaker"] == "closed"


async def test_too_long_a_prompt_goes_to_who_reads_more_and_only_there(place: Place) -> None:
    await place.server("one", OVERFLOW)
    await place.server("two")
    await place.server("long")
    place.route("one/m", fallbacks=["two/m"], overflows=["long/m"])
    assert await place.stream() == await place.whole() == "long"
    assert place.servers["two"].chats == []
    place.servers["long"].behave = OVERFLOW
    with pytest.raises(ContextOverflow):
        await place.whole()
    place.route("one/m", fallbacks=["two/m"])
    with pytest.raises(ContextOverflow):
        await place.whole()
    assert place.servers["two"].chats == []


async def test_the_last_error_is_told_when_all_fail(place: Place) -> None:
    await place.server("one", fails)
    await place.server("two", answers({}, 401))
    place.route("one/m", fallbacks=["two/m"])
    with pytest.raises(UpstreamFailed) as error:
        await place.stream()
    assert error.value.code == "upstream_refuses_key"


async def test_a_target_that_keeps_failing_rests_and_is_tried_by_one(place: Place) -> None:
    one = await place.server("one", fails)
    place.route("one/m")
    for _ in range(3):
        with pytest.raises(UpstreamFailed):
            await place.whole()
    with pytest.raises(NoTarget) as error:
        await place.whole()
    assert len(one.chats) == 3 and error.value.details["retry_after_s"] == 5
    assert place.router.states()[0]["breaker"] == "open"

    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await release.wait()
        await says("one")(call)

    one.behave = slow
    place.clock.now += 5
    trying = asyncio.create_task(place.whole())
    await asyncio.sleep(0.05)
    with pytest.raises(NoTarget):
        await place.whole()
    release.set()
    assert await trying == "one" and len(one.chats) == 4
    assert place.router.states()[0]["breaker"] == "closed"


async def test_a_client_that_leaves_says_nothing_of_the_target(place: Place) -> None:
    one = await place.server("one", fails)
    place.route("one/m")
    for _ in range(3):
        with pytest.raises(UpstreamFailed):
            await place.whole()
    place.clock.now += 5
    one.behave = lambda call: asyncio.sleep(30)
    for arrived in (4, 5):  # the trial is given back, or nobody would ever try again
        trying = asyncio.create_task(place.whole())
        await until(lambda arrived=arrived: len(one.chats) == arrived)  # type: ignore[misc]
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)


async def test_a_second_attempt_that_is_not_granted_leaves_the_trial_to_another(place: Place) -> None:
    await place.server("one", fails)
    two = await place.server("two", fails)
    place.route("two/m")
    for _ in range(3):
        with pytest.raises(UpstreamFailed):
            await place.whole()
    place.clock.now += 5
    place.route("one/m", fallbacks=["two/m"])
    place.router.budget.left = place.router.budget.a_minute = 0.0
    with pytest.raises(UpstreamFailed):
        await place.whole()
    assert len(two.chats) == 3
    two.behave = says("two")
    place.route("two/m")
    assert await place.whole() == "two"


async def test_when_everything_fails_attempts_do_not_multiply(place: Place) -> None:
    for name in ("one", "two", "three"):
        await place.server(name, fails)
    place.route("one/m", fallbacks=["two/m", "three/m"])
    for line in ("one", "two", "three"):
        place.router.line(Target(line, "m")).breaker.most_failures = 10**6
    place.router.budget.left = 0.0
    for _ in range(40):
        with pytest.raises(EngineError):
            await place.whole()
    attempts = sum(len(server.chats) for server in place.servers.values())
    assert 40 <= attempts <= 40 * 1.2 + 1


async def test_a_conversation_stays_with_its_replica_while_that_is_well(place: Place) -> None:
    for name in ("one", "two", "three"):
        await place.server(name)
    place.route("one/m", "two/m", "three/m")
    questions = [{"messages": [{"role": "user", "content": f"Question {n}"}]} for n in range(12)]
    first = [await place.whole(question) for question in questions]
    later = [
        await place.stream({"messages": [*question["messages"], {"role": "assistant", "content": "…"}]})
        for question in questions
    ]
    assert first == later and len(set(first)) == 3
    place.servers["one"].behave = fails
    moved = [await place.whole(question) for question in questions]
    assert [now for before, now in zip(first, moved, strict=True) if before != "one"] == [
        before for before in first if before != "one"
    ]
    assert "one" not in moved


async def test_routes_are_in_force_at_once_here_and_soon_elsewhere(place: Place, database: Database) -> None:
    await place.server("one")
    await place.server("two")
    place.route("one/m")
    assert await place.whole() == "one"
    place.route("two/m")
    assert await place.whole() == "two"
    elsewhere = Routing(database, key=place.router.routing._key)
    elsewhere_version = database.data_version
    running = asyncio.create_task(place.router.run())
    await asyncio.sleep(0.1)
    counter = iter(range(1000))
    database.data_version = lambda: next(counter)  # type: ignore[method-assign]  # another process's commits change it
    elsewhere.set(Route.of({"name": "big", "targets": ["one/m"]}))
    for _ in range(100):
        if await place.whole() == "one":
            break
        await asyncio.sleep(0.02)
    assert await place.whole() == "one"
    running.cancel()
    database.data_version = elsewhere_version  # type: ignore[method-assign]


async def test_an_upstream_described_anew_gets_a_new_line(place: Place) -> None:
    await place.server("one", fails)
    place.route("one/m")
    for _ in range(3):
        with pytest.raises(UpstreamFailed):
            await place.whole()
    place.router.routing.remove_route("big")
    place.router.routing.remove("one")
    await place.server("one", says("anew"))
    place.route("one/m")
    assert await place.whole() == "anew"


async def test_the_store_refuses_what_does_not_hold_together(place: Place, database: Database) -> None:
    await place.server("one", key="sk-secret")
    routing = place.router.routing
    with pytest.raises(Conflict):
        routing.add(Upstream("one", "https://api.example.com"))
    with pytest.raises(BadRequest):
        place.route("nobody/m")
    place.route("local/scripted", fallbacks=["one/m"])
    with pytest.raises(Conflict):
        routing.remove("one")
    for unknown in (lambda: routing.upstream("x"), lambda: routing.route("x"), lambda: routing.remove_route("x")):
        with pytest.raises(NotFound):
            unknown()
    with database.read() as connection:
        (row,) = connection.exec_driver_sql("SELECT key, details FROM upstreams").all()
    assert b"sk-secret" not in row[0] and "sk-secret" not in row[1]
    assert routing.upstream("one").key == "sk-secret"


async def test_vectors_and_scores_are_routed_and_counting_sends_nothing(place: Place) -> None:
    one = await place.server("one", fails)
    two = await place.server("two", answers({"data": [{"index": 0, "embedding": [1.0]}]}), context_tokens=8192)
    place.route("one/m", fallbacks=["two/m"])
    place.route("two/m", name="counted")
    async with place.router.engine("big") as engine:
        assert await engine.embed(["a"]) == [[1.0]]
        two.behave = answers({"results": [{"index": 0, "relevance_score": 0.5}]})
        assert await engine.rerank("q", ["a"]) == [0.5]
    asked = len(one.calls) + len(two.calls)
    async with place.router.engine("counted") as engine:
        assert len(await engine.tokenise("x" * 30)) == 10
        with pytest.raises(NoBackEnd):
            await engine.prompt_tokens(ASK)  # type: ignore[attr-defined]
        health = await engine.health()
        assert (health.state, health.context_tokens) == ("ready", 8192)
        await engine.close()
    assert len(one.calls) + len(two.calls) == asked


async def test_a_model_of_this_machine_that_rests_is_not_loaded_to_ask_how_it_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.server("one")
    place.route("local/scripted", fallbacks=["one/m"])
    loads: list[str] = []

    @asynccontextmanager
    async def engine(name: str) -> AsyncIterator[ScriptedEngine]:
        loads.append(name)
        raise EngineError("It can't be loaded.")
        yield place.local

    monkeypatch.setattr(place.router.pool, "engine", engine)
    for _ in range(3):
        assert await place.whole() == "one"
    before = len(loads)
    async with place.router.engine("big") as routed:
        assert (await routed.health()).state == "failed"
    assert await place.whole() == "one"
    assert len(loads) == before == 3
