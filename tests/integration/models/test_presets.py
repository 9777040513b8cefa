"""Presets: whose they are, what they turn a request into, and what can't be one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.rights import EVERYTHING, Rights
from intramuros.app import App
from intramuros.errors import BadRequest, Conflict, ModelNotFound, NotAllowed, NotFound
from intramuros.models.presets import Preset, Wanted
from intramuros.storage.erasable import Subject
from tests.installed import installation
from tests.models import tiny

ASKED = {"model": "clerk", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with installation(tmp_path_factory.mktemp("presets")) as made:
        file = tiny.chat(tmp_path_factory.mktemp("file") / "tiny.gguf", layers=1)
        made.app.models.add_file(file, "tiny")
        yield made.app


@pytest.fixture(autouse=True)
def nothing_kept(app: App) -> Iterator[None]:
    yield
    with app.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM presets")


def caller(app: App, who: str) -> Caller:
    user = app.users.find(f"{who}@firm.example")
    return Caller(user.id, who, user.role, "session", rights=EVERYTHING)


def applied(app: App, by: Caller, **more: Any) -> dict[str, Any]:
    request, _ = app.presets.applied(ASKED | more, by)
    return dict(request)


def test_a_request_for_a_preset_is_one_for_its_model(app: App) -> None:
    wanted = Wanted("clerk", "tiny", "Be brief.", {"temperature": 0.1, "stop": "END", "context_tokens": 100},
                    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}])  # fmt: skip
    app.presets.create(wanted, by=caller(app, "alice"))
    request = applied(app, caller(app, "alice"), temperature=1)
    assert request["model"] == "tiny"
    assert [message["content"] for message in request["messages"]] == ["Be brief.", "Hi", "Yes?", "Hello"]
    assert (request["temperature"], request["stop"]) == (1, ["END"]), "what the request says counts more"
    assert "context_tokens" not in request, "an engine does not know it"


def test_instructions_of_the_request_take_the_place_of_the_presets(app: App) -> None:
    app.presets.create(Wanted("clerk", "tiny", "Be brief."), by=caller(app, "alice"))
    own = [{"role": "system", "content": "Be long."}, *ASKED["messages"]]
    assert applied(app, caller(app, "alice"), messages=own)["messages"] == own


def test_a_text_to_go_on_with_gets_no_instructions(app: App) -> None:
    app.presets.create(Wanted("clerk", "tiny", "Be brief.", {"seed": 3}), by=caller(app, "alice"))
    request, _ = app.presets.applied({"model": "clerk", "prompt": "Once"}, caller(app, "alice"))
    assert request == {"model": "tiny", "prompt": "Once", "seed": 3}


def test_one_persons_presets_are_nobody_elses(app: App) -> None:
    alice, bob, charlie = (caller(app, who) for who in ("alice", "bob", "charlie"))
    preset = app.presets.create(Wanted("clerk", "tiny", "Mine."), by=alice)
    for other in (bob, charlie):
        assert applied(app, other) == ASKED and app.presets.list(by=other) == []
        for act in (app.presets.get, app.presets.remove, app.presets.change):
            with pytest.raises(NotFound):
                act(preset.id, by=other)
    assert app.presets.create(Wanted("clerk", "tiny", "Bob's."), by=bob).owner_id == bob.user_id
    assert app.presets.find("clerk", by=alice) == preset


def test_those_for_everyone_are_administrators(app: App) -> None:
    alice, charlie = caller(app, "alice"), caller(app, "charlie")
    with pytest.raises(NotAllowed):
        app.presets.create(Wanted("clerk", "tiny"), by=alice, for_everyone=True)
    program = Caller(charlie.user_id, "charlie", "administrator", "key:1", rights=Rights())
    with pytest.raises(NotAllowed, match="admin"):
        app.presets.create(Wanted("clerk", "tiny"), by=program, for_everyone=True)
    preset = app.presets.create(Wanted("clerk", "tiny", "All."), by=charlie, for_everyone=True)
    assert applied(app, alice)["messages"][0]["content"] == "All."
    for act in (app.presets.remove, app.presets.change):
        with pytest.raises(NotAllowed):
            act(preset.id, by=alice)
    app.presets.create(Wanted("clerk", "tiny", "Own."), by=alice)
    assert applied(app, alice)["messages"][0]["content"] == "Own.", "one's own comes first"
    assert [found.system for found in app.presets.list(by=alice)] == ["Own."]
    assert app.presets.change(preset.id, by=LOCAL, system="New.").system == "New."
    app.presets.remove(preset.id, by=charlie)


def test_one_made_from_a_preset_has_what_that_says(app: App) -> None:
    alice = caller(app, "alice")
    app.presets.create(Wanted("clerk", "tiny", "Be brief.", {"seed": 1, "top_k": 5}), by=alice)
    made = app.presets.create(Wanted("senior", "clerk", parameters={"seed": 2}), by=alice)
    assert (made.model, made.system, made.parameters) == ("tiny", "Be brief.", {"seed": 2, "top_k": 5})


def test_a_name_is_taken_once_and_never_a_models(app: App, tmp_path: Path) -> None:
    app.presets.create(Wanted("clerk", "tiny"), by=LOCAL, for_everyone=True)
    with pytest.raises(Conflict):
        app.presets.create(Wanted("clerk", "tiny"), by=LOCAL, for_everyone=True)
    with pytest.raises(Conflict):
        app.presets.create(Wanted("tiny", "tiny"), by=LOCAL)
    with pytest.raises(Conflict, match="preset"):
        app.models.add_file(tiny.chat(tmp_path / "other.gguf", layers=1), "clerk")


@pytest.mark.parametrize("name", ["", "Clerk", "default", "starter", "a b", "../x", "a" * 100, "a:b:c", "é"])
def test_names_that_can_not_be(app: App, name: str) -> None:
    with pytest.raises(BadRequest):
        app.presets.create(Wanted(name, "tiny"), by=LOCAL)


@pytest.mark.parametrize(
    "more",
    [
        {"parameters": {"temperature": 9}},
        {"parameters": {"temperature": True}},
        {"parameters": {"top_k": 1.5}},
        {"parameters": {"temprature": 1}},
        {"parameters": {"stop": [""]}},
        {"parameters": {"context_tokens": 1 << 22}},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": "x"}] * 65},
        {"adapter": "poetry"},
        {"system": "x" * 100_001},
    ],
)
def test_what_can_not_be_held_to_is_refused(app: App, more: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        app.presets.create(Wanted("clerk", "tiny", **more), by=LOCAL)
    assert app.presets.list(by=LOCAL) == []


def test_it_needs_a_model_that_is_here_and_writes(app: App, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        app.presets.create(Wanted("clerk", "gpt-4o"), by=LOCAL)
    app.models.add_file(tiny.embedder(tmp_path / "vectors.gguf"), "vectors")
    with pytest.raises(BadRequest, match="does not write"):
        app.presets.create(Wanted("clerk", "vectors"), by=LOCAL)
    app.models.remove("vectors")


def test_a_preset_goes_with_its_person(app: App) -> None:
    bob = caller(app, "bob")
    app.presets.create(Wanted("clerk", "tiny", "A secret instruction that must go."), by=bob)
    assert app.person_export.sections(app.users.get(bob.user_id))["presets"][0]["name"] == "clerk"
    app.erasure.run(Subject("user", bob.user_id), by=LOCAL.user_id)
    with app.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM presets").scalar() == 0


def test_what_is_found_at_a_glance_is_what_was_kept(app: App) -> None:
    kept = app.presets.create(Wanted("clerk:v2", "tiny", "é", {"stop": ["x"]}), by=LOCAL, for_everyone=True)
    found = app.presets.find("clerk:v2", by=caller(app, "alice"))
    assert isinstance(found, Preset) and found == kept
