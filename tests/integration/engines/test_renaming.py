"""Upstreams and routes get other names: all that names them follows in one step, or nothing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.rights import Rights
from intramuros.accounts.users import Users
from intramuros.engines.comparing import SERVED, Outcome
from intramuros.engines.routing import EVERYBODY, Consent
from intramuros.errors import BadRequest, Conflict, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import api_keys, new_id, presets
from tests.integration.engines.routed_place import Place

ALL = frozenset({"chat"})


@pytest.fixture
def person(users: Users) -> str:
    return users.create("alice@firm.example", "Alice", role="service").id


def preset(database: Database, name: str, model: str, owner: str | None = None) -> None:
    with database.write() as connection:
        values: dict[str, Any] = {
            "id": new_id(),
            "owner_id": owner,
            "name": name,
            "model": model,
            "system": "",
            "parameters": {},
        }
        connection.execute(insert(presets).values(**values, messages=[], created_at=1.0, updated_at=1.0))


def models_of_presets(database: Database) -> dict[str, str]:
    with database.read() as connection:
        return {row.name: row.model for row in connection.execute(select(presets.c.name, presets.c.model))}


def key(database: Database, person: str, *models: str) -> str:
    return ApiKeys(database).create("program", person, rights=Rights(ALL, models=frozenset(models)))[1].id


def models_of(database: Database, key: str) -> list[str]:
    return sorted(ApiKeys(database).get(key).rights.models or ())


async def test_all_that_names_an_upstream_follows(place: Place, database: Database, person: str) -> None:
    await place.server("old", outside=True, key="sk-secret")
    await place.server("other")
    router, routing = place.router, place.router.routing
    place.route("old/m=3", "other/m", name="team", fallbacks=["local/scripted"], shadow="old/m", shadow_share=0.5)
    routing.agree(Consent("old", "user", person))
    routing.agree(Consent("old", EVERYBODY, ""))
    preset(database, "mine", "old/m", person)
    preset(database, "else", "other/m")
    limited, free = key(database, person, "old/m", "other/m"), key(database, person, "other/m")
    router.comparisons.add(Outcome("team", "old/m", SERVED, "pair", duration_ms=1.0))

    renamed = router.rename("old", "new", was=routing.version(routing.upstream("old")))
    assert (renamed.routes, renamed.consents, renamed.presets, renamed.keys) == (["team"], 2, 1, 1)
    assert routing.upstream("new").key == "sk-secret", "sealed anew: its name is part of the seal"
    with pytest.raises(NotFound):
        routing.upstream("old")
    route = routing.route("team")
    assert [str(target) for target in route.targets] == ["new/m=3", "other/m"]
    assert route.shadow and route.shadow.name == "new/m" and [one.name for one in route.fallbacks] == ["local/scripted"]
    assert routing.table.consents == {Consent("new", "user", person), Consent("new", EVERYBODY, "")}
    assert models_of_presets(database) == {"mine": "new/m", "else": "other/m"}
    assert (models_of(database, limited), models_of(database, free)) == (["new/m", "other/m"], ["other/m"])
    assert [row["target"] for row in router.comparisons.summary("team")] == ["new/m"]
    assert "new/m" in router.names() and "old/m" not in router.names()


async def test_it_answers_under_the_new_name_and_the_old_line_is_gone(place: Place) -> None:
    await place.server("old")
    router = place.router
    assert await place.whole(name="old/m") == "old"
    assert [state["target"] for state in router.states()] == ["old/m"]
    router.rename("old", "new")
    assert router.states() == [] and not router.has("old/m")
    assert await place.whole(name="new/m") == "old", "the same server"
    router._end_gone()
    assert list(router._lines) == ["new/m"]


async def test_a_name_that_is_taken_is_refused_and_nothing_changes(
    place: Place, database: Database, person: str
) -> None:
    await place.server("old")
    await place.server("other")
    router, routing = place.router, place.router.routing
    place.route("other/m", name="third/m")
    place.route("old/m", name="team")
    preset(database, "fourth/m", "default", person)
    before = routing.table
    for to, by in (("other", "upstream"), ("old", "upstream"), ("third", "route"), ("fourth", "preset")):
        with pytest.raises(Conflict) as refused:
            router.rename("old", to)
        assert (refused.value.code, refused.value.details["taken_by"]) == ("name_in_use", by), to
    taken = (
        ("third/m", "route"), ("team", "route"), ("fourth/m", "preset"), ("other/m", "upstream"), ("scripted", "model")
    )  # fmt: skip
    for to, by in taken:
        with pytest.raises(Conflict) as refused:
            router.rename_route("team", to)
        assert (refused.value.code, refused.value.details["taken_by"]) == ("name_in_use", by), to
    for wrong in ("local", "Big One", ""):
        with pytest.raises(BadRequest):
            router.rename("old", wrong)
    for wrong in ("big one", ""):
        with pytest.raises(BadRequest):
            router.rename_route("team", wrong)
    with pytest.raises(NotFound):
        router.rename("nobody", "new")
    with pytest.raises(NotFound):
        router.rename_route("nobody", "new")
    was = routing.version(routing.upstream("old")), routing.version(routing.route("team"))
    routing.change(replace(routing.upstream("old"), models=("m", "n")))
    place.route("old/n", name="team")
    for rename, name, version in ((router.rename, "old", was[0]), (router.rename_route, "team", was[1])):
        with pytest.raises(Conflict) as refused:
            rename(name, "new", was=version)
        assert refused.value.code == "changed_meanwhile"
    assert set(routing.table.upstreams) == set(before.upstreams)


async def test_a_route_takes_along_what_names_it(place: Place, database: Database, person: str) -> None:
    await place.server("one")
    router = place.router
    place.route("one/m", "local/scripted", name="team/big")
    preset(database, "mine", "team/big", person)
    limited = key(database, person, "team/big")
    router.comparisons.add(Outcome("team/big", "one/m", SERVED, "pair", duration_ms=1.0))
    renamed = router.rename_route("team/big", "grand")
    assert (renamed.was, renamed.name, renamed.presets, renamed.keys) == ("team/big", "grand", 1, 1)
    assert not router.has("team/big") and [t.name for t in router.routing.route("grand").targets] == [
        "one/m",
        "local/scripted",
    ]
    assert models_of_presets(database) == {"mine": "grand"}
    assert models_of(database, limited) == ["grand"]
    assert router.comparisons.summary("grand") and not router.comparisons.summary("team/big")


async def test_a_route_in_place_of_a_models_own_name_keeps_that_name(
    place: Place, database: Database, person: str
) -> None:
    """Who names it means the route, which has not been renamed."""
    await place.server("old")
    await place.server("other")
    place.route("other/m", fallbacks=["old/m"], name="old/m")
    preset(database, "mine", "old/m", person)
    renamed = place.router.rename("old", "new")
    assert renamed.routes == ["old/m"] and renamed.presets == 0
    assert models_of_presets(database) == {"mine": "old/m"}
    assert [target.name for target in place.router.routing.route("old/m").fallbacks] == ["new/m"]


async def test_what_fails_half_way_has_done_nothing(place: Place, database: Database, person: str) -> None:
    await place.server("old", outside=True)
    place.route("old/m", name="team")
    place.router.routing.agree(Consent("old", "user", person))
    limited = key(database, person, "old/m")
    with database.write() as connection:
        connection.execute(update(api_keys).where(api_keys.c.id == limited).values(models=["old/m"]))
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE OF models ON api_keys BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(IntegrityError):
        place.router.rename("old", "new")
    routing = place.router.routing
    routing._forget()
    assert set(routing.table.upstreams) == {"old"} and routing.table.consents == {Consent("old", "user", person)}
    assert [target.name for target in routing.route("team").targets] == ["old/m"]
