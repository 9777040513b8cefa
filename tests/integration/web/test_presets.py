"""The pages of presets: made, tried, changed and removed by a person; others' are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.errors import EngineDied
from intramuros.models.presets import Preset
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of
from tests.models import tiny


@pytest.fixture
def installed(installed: Installed, tmp_path: Path) -> Installed:
    installed.app.models.add_file(tiny.chat(tmp_path / "tiny.gguf", layers=1), "tiny")
    installed.engine.model = "tiny"
    return installed


async def made(installed: Installed, people: People) -> Preset:
    answer = await people.alice.post("/presets", name="clerk", model="tiny", system="Be <b>brief</b>.\r\nPlease.",
                                     temperature="0,2", stop="END\r\nFIN", everyone="")  # fmt: skip
    assert answer.status == 303, text_of(answer)
    alice = installed.app.sessions.caller(installed.sessions["alice"])
    assert alice
    [preset] = installed.app.presets.list(by=alice)
    assert answer.headers["location"] == f"/presets/{preset.id}"
    return preset


async def test_made_and_tried(installed: Installed, people: People) -> None:
    preset = await made(installed, people)
    assert preset.system == "Be <b>brief</b>.\nPlease."
    assert preset.parameters == {"temperature": 0.2, "stop": ["END", "FIN"]}
    page = await people.alice.post(f"/presets/{preset.id}/try", question="Who <i>are</i> you?")
    assert page.status == 200 and "Bonjour, monde" in text_of(page)
    assert b"<i>are</i>" not in page.body and b"<b>brief</b>" not in page.body
    asked = installed.engine.asked[-1]
    assert [message["content"] for message in asked["messages"]] == [preset.system, "Who <i>are</i> you?"]
    assert asked["max_tokens"] == 300
    assert installed.records("preset.try")[-1].facts["preset"] == preset.id


async def test_a_try_that_fails_says_why_and_keeps_the_question(installed: Installed, people: People) -> None:
    preset = await made(installed, people)
    installed.engine.error = EngineDied()
    page = await people.alice.post(f"/presets/{preset.id}/try", question="Still there?")
    assert page.status == 502 and "Still there?" in text_of(page)


async def test_changed_and_removed(installed: Installed, people: People) -> None:
    preset = await made(installed, people)
    installed.app.presets.change(preset.id, by=_owner(installed), parameters={**preset.parameters, "min_p": 0.1})
    wrong = await people.alice.post(f"/presets/{preset.id}", name="clerk", model="tiny", temperature="hot")
    assert wrong.status == 400 and 'value="hot"' in wrong.body.decode(), "what was typed stays"
    done = await people.alice.post(f"/presets/{preset.id}", name="clerk", model="tiny", system="", top_k="5")
    assert done.status == 303
    changed = installed.app.presets.get(preset.id, by=_owner(installed))
    assert (changed.system, changed.parameters) == ("", {"min_p": 0.1, "top_k": 5}), "what has no field stays"
    assert (await people.alice.post(f"/presets/{preset.id}/remove")).headers["location"] == "/presets"
    assert (await people.alice.get(f"/presets/{preset.id}")).status == 404


async def test_a_name_that_can_t_be_is_explained(people: People) -> None:
    wrong = await people.alice.post("/presets", name="Réponses courtes", model="default")
    assert wrong.status == 400 and "minuscules sans accent" in text_of(wrong).partition("Nouveau préréglage")[0]


async def test_nobody_else_sees_it(installed: Installed, people: People) -> None:
    preset = await made(installed, people)
    for browser in (people.bob, people.charlie):
        assert "clerk" not in text_of(await browser.get("/presets"))
        assert (await browser.get(f"/presets/{preset.id}")).status == 404
        for act in ("", "/try", "/remove"):
            assert (await browser.post(f"/presets/{preset.id}{act}", name="x", question="x")).status == 404


async def test_for_everyone(installed: Installed, people: People) -> None:
    assert (await people.alice.post("/presets", name="all", model="tiny", everyone="yes")).status == 403
    assert (await people.charlie.post("/presets", name="all", model="tiny", everyone="yes")).status == 303
    [preset] = installed.app.presets.list(by=LOCAL)
    page = await people.bob.get(f"/presets/{preset.id}")
    assert page.status == 200 and f'action="/presets/{preset.id}"' not in page.body.decode()
    assert (await people.bob.post(f"/presets/{preset.id}/remove")).status == 403
    assert "all" in text_of(await people.bob.get("/models"))


async def test_a_form_without_the_sessions_token_does_nothing(installed: Installed, people: People) -> None:
    preset = await made(installed, people)
    for address in ("/presets", f"/presets/{preset.id}", f"/presets/{preset.id}/try", f"/presets/{preset.id}/remove"):
        assert (await people.alice.post(address, csrf_token="x", name="y", question="x")).status == 403
    assert installed.engine.asked == []


def _owner(installed: Installed):  # type: ignore[no-untyped-def]
    return installed.app.sessions.caller(installed.sessions["alice"])
