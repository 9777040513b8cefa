"""Asking: quotations, written answers with their marks, what is not in the documents, what goes wrong, who may."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Project
from intramuros.accounts.sessions import csrf
from intramuros.documents import samples
from intramuros.engines.loading import Coming, LoadProgress
from intramuros.errors import EngineDied
from intramuros.tasks.answer import AnswerTask
from tests.asgi import Answer
from tests.installed import Installed
from tests.integration.web.conftest import Browser, People, text_of
from tests.scripted import ScriptedEngine, ScriptedPool
from tests.unit.web.test_markdown import HOSTILE

LEASE = """# Bail de l'atelier

Le locataire peut résilier le bail avec un préavis de trois mois.

Le loyer mensuel est de 850 euros, payable le 5 du mois.
"""
QUESTION = "Quel est le préavis pour résilier le bail ?"


@dataclass
class Writer(ScriptedEngine):
    """An engine that writes what it is told, and counts words as tokens."""

    async def tokenise(self, text: str) -> list[int]:
        return [0] * len(text.split())


@dataclass
class Trusted:
    """A model that may write."""

    name: str = "scripted"
    trust: str = "answers"

    def get(self, name: str) -> Trusted:
        return self


def writing(installed: Installed, text: str) -> Writer:
    """Lets a model answer that writes this text, in pieces."""
    app = installed.app
    engine = Writer(words=re.findall(r"\s*\S+\s*", text) or [""])
    pool = ScriptedPool(engine)
    app.answer = AnswerTask(
        search=app.search, pool=pool, models=Trusted(), conversations=app.conversations, admission=app.admission
    )
    return engine


@pytest.fixture
async def asked(installed: Installed, people: People, project: Project) -> Project:
    """The project with a lease that is ready to be asked about."""
    assert (await people.alice.upload(project, "bail.md", LEASE.encode())).status == 201
    async with asyncio.timeout(30):
        await people.alice.get(f"/projects/{project.id}/documents/live", accept="text/event-stream")
    return project


async def ask(browser: Browser, project: Project, question: str = QUESTION, **more: Any) -> Answer:
    """Asks as the page's script does."""
    leave_after, fields = more.pop("leave_after", None), {"csrf": csrf(browser.token), "question": question} | more
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "text/event-stream"}
    path = f"/projects/{project.id}/ask"
    async with asyncio.timeout(20):
        body = urlencode(fields).encode()
        return await browser.client.call("POST", path, body, headers=headers, leave_after=leave_after)


def events(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.body.decode())
    ]


def done(answer: Answer) -> dict[str, Any]:
    name, data = events(answer)[-1]
    assert name == "done", data
    return data


async def test_a_question_is_answered_with_quotations_and_their_page(people: People, asked: Project) -> None:
    data = done(await ask(people.bob, asked))
    assert "préavis de trois mois" in data["html"]
    assert re.search(
        r'href="/projects/[^"]+/documents/[^"?]+\?page=1&amp;rects=[\d.,;]+(&amp;at=\d+-\d+)?"', data["html"]
    )
    assert "bail.md" in data["html"] and "page 1" in data["html"]
    assert data["announcement"].startswith("Réponse terminée")
    page = await people.bob.get(data["conversation"]["href"])
    assert data["html"].strip() in page.body.decode(), "the finished answer looks the same after a reload"


async def test_the_source_leads_to_the_marked_passage(people: People, asked: Project) -> None:
    html = done(await ask(people.alice, asked))["html"]
    link = re.findall(r'href="(/projects/[^"]+at=[^"]+)"', html)[0].replace("&amp;", "&")
    page = (await people.alice.get(link)).body.decode()
    marked = re.findall(r'<mark id="passage">(.*?)</mark>', page, re.DOTALL)
    assert "préavis de trois mois" in marked[0]


async def test_what_is_not_in_the_documents_is_said(people: People, asked: Project) -> None:
    data = done(await ask(people.alice, asked, "Combien de lunes a la planète Jupiter ?"))
    assert "Ce n’est pas dans vos documents." in data["html"]
    assert data["announcement"] == "Ce n’est pas dans vos documents."


async def test_a_written_answer_streams_blocks_and_ends_with_its_marks(
    installed: Installed, people: People, asked: Project
) -> None:
    writing(installed, "Le préavis est de **trois mois** [1]. Le loyer est de 999 euros [1].\n\n- Fin.")
    seen = events(await ask(people.alice, asked))
    assert seen[0][0] == "step"
    assert "blocks" in [name for name, _ in seen]
    html = seen[-1][1]["html"]
    assert "<strong>trois mois</strong>" in html
    assert re.search(r'class="marker" href="#s-[\w-]+-1" aria-label="Source 1', html)
    assert '<span class="unsupported">Le loyer est de 999 euros' in html
    assert "non confirmé" in html and "999" in html.partition("doubts-")[2]
    assert re.search(r'id="s-[\w-]+-1"', html), "the mark's card is there"


async def test_blocks_are_sent_again_only_when_they_change(
    installed: Installed, people: People, asked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intramuros.web.ask.SHOW_EVERY_S", -1.0)
    writing(installed, "Le préavis est de trois mois [1].\n\nLe bail est écrit.\n\nLe loyer est payé le 5 du mois [1].")
    shown: list[str] = []
    sent = 0
    for name, data in events(await ask(people.alice, asked)):
        if name == "blocks":
            shown[data["from"] :] = data["blocks"]
            sent += sum(map(len, data["blocks"]))
    assert len(shown) == 3
    assert "Le bail est écrit." in shown[1]
    assert sent < 10 * sum(map(len, shown))


@pytest.mark.parametrize("text", HOSTILE)
async def test_whatever_the_model_writes_no_address_is_asked_for(
    installed: Installed, people: People, asked: Project, text: str
) -> None:
    writing(installed, f"Le préavis est de trois mois [1]. {text}\n\n{text}")
    answer = await ask(people.alice, asked)
    pieces = [data["html"] for name, data in events(answer) if name == "done"]
    pieces += [block for name, data in events(answer) if name == "blocks" for block in data["blocks"]]
    assert pieces
    for html in pieces:
        tags = re.findall(r"<([a-z0-9]+)((?:\s[^<>]*)?)>", html)
        assert not {name for name, _ in tags} & {
            "img",
            "script",
            "style",
            "link",
            "form",
            "iframe",
            "object",
            "base",
            "svg",
        }
        for _, attributes in tags:
            assert not re.search(r"\s(?:src|on\w+|style|ping|action|srcset|background)=", attributes)
            for href in re.findall(r'href="([^"]*)"', attributes):
                assert href.startswith(("#", "/projects/"))


async def test_quotations_that_leave_a_part_open_say_which_once(people: People, project: Project) -> None:
    for path in samples.paths():
        await people.alice.upload(project, path.name, path.read_bytes())
    async with asyncio.timeout(30):
        await people.alice.get(f"/projects/{project.id}/documents/live", accept="text/event-stream")
    html = done(await ask(people.alice, project, "Quel est le prix de l'or ?"))["html"]
    assert "mode-quote" in html and "18 400 euros" in html
    assert html.count("Ces citations ne couvrent qu’une partie de la question") == 1
    assert "« or »".replace(" ", "\u202f") in html.partition("<blockquote>")[0], "before what is quoted"
    covered = done(await ask(people.alice, project, samples.questions()[0]["question"]))["html"]
    assert "mode-quote" in covered and "notice warn" not in covered


async def test_a_follow_up_stays_in_the_conversation(installed: Installed, people: People, asked: Project) -> None:
    first = done(await ask(people.alice, asked))["conversation"]
    second = done(await ask(people.alice, asked, "Et le loyer ?", conversation=first["id"]))["conversation"]
    assert first == second
    page = text_of(await people.alice.get(first["href"]))
    assert page.index("Et le loyer ?") < page.index(QUESTION), "the newest is under the box"


async def test_a_short_question_may_begin_a_new_subject(people: People, project: Project) -> None:
    for path in samples.paths():
        await people.alice.upload(project, path.name, path.read_bytes())
    async with asyncio.timeout(30):
        await people.alice.get(f"/projects/{project.id}/documents/live", accept="text/event-stream")
    holidays, password, _ = (question["question"] for question in samples.questions())
    conversation = done(await ask(people.alice, project, holidays))["conversation"]
    html = done(await ask(people.alice, project, password, conversation=conversation["id"]))["html"]
    assert "14 characters" in html.partition("</blockquote>")[0]


async def test_conversations_are_ones_own(people: People, asked: Project) -> None:
    mine = done(await ask(people.alice, asked))["conversation"]
    assert (await people.bob.get(mine["href"])).status == 404
    assert (await people.bob.post(f"{mine['href']}/remove")).status == 404
    name, data = events(await ask(people.bob, asked, conversation=mine["id"]))[-1]
    assert name == "problem" and "pas accès" in data["html"]
    assert QUESTION not in text_of(await people.bob.get(f"/projects/{asked.id}"))
    assert (await people.alice.post(f"{mine['href']}/remove")).status == 303
    assert (await people.alice.get(mine["href"])).status == 404


async def test_strangers_ask_nothing(people: People, asked: Project) -> None:
    answer = await ask(people.charlie, asked)
    assert answer.status == 404
    assert "trois mois" not in answer.body.decode()
    assert (await ask(people.alice, asked, csrf="0" * 64)).status == 403


async def test_stopping_frees_the_engine_and_keeps_nothing(
    installed: Installed, people: People, asked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intramuros.web.ask.SHOW_EVERY_S", -1.0)
    engine = writing(installed, "Le préavis est de trois mois [1]. " * 3)
    engine.hangs = True
    await ask(people.alice, asked, leave_after=4)
    assert (engine.cancelled, engine.running) == (1, 0)
    assert installed.records("answer")[-1].outcome == "interrupted"
    assert QUESTION not in text_of(await people.alice.get(f"/projects/{asked.id}"))


class Loads:
    """A model on its way to memory, which arrives when `there` is set."""

    def __init__(self, *moments: LoadProgress) -> None:
        self.moments, self.there, self.listeners = moments, asyncio.Event(), 0

    async def __call__(self, name: str) -> AsyncGenerator[Coming]:
        self.listeners += 1
        try:
            for moment in self.moments:
                yield Coming(name, "Petit Modèle", moment)
            await self.there.wait()
        finally:
            self.listeners -= 1


def steps(answer: Answer) -> list[dict[str, Any]]:
    return [data for name, data in events(answer) if name == "step"]


async def test_who_waits_for_a_model_that_loads_is_told(installed: Installed, people: People, asked: Project) -> None:
    writing(installed, "Le préavis est de trois mois [1].")
    loads = Loads(
        LoadProgress("waiting"),
        LoadProgress("loading", 2.0, 40, 100, usual_s=12.0),
        LoadProgress("loading", 2.5, 40, 100, usual_s=12.0),
        LoadProgress("loading", 3.0, 60, 100, usual_s=12.0),
    )
    loads.there.set()
    installed.app.answer = replace(installed.app.answer, loading=loads)
    answer = await ask(people.alice, asked)
    told = [(step["text"].replace("\u00a0", " "), step["quiet"]) for step in steps(answer)[1:]]
    assert told == [
        ("Le modèle Petit Modèle se charge : attend de la place en mémoire…", False),
        ("Le modèle Petit Modèle se charge : 40 %, d’habitude 12 s…", True),
        ("Le modèle Petit Modèle se charge : 60 %, d’habitude 12 s…", True),
        ("Le modèle Petit Modèle est prêt et lit les passages…", False),
    ], "each once, and read out where it begins and ends"
    assert "trois mois" in done(answer)["html"]


async def test_who_leaves_while_the_model_loads_waits_no_more(
    installed: Installed, people: People, asked: Project
) -> None:
    engine = writing(installed, "Le préavis est de trois mois [1].")
    loads = Loads(LoadProgress("loading", 2.0, 40, 100))
    installed.app.answer = replace(installed.app.answer, loading=loads)
    answer = await ask(people.alice, asked, leave_after=2)
    assert len(steps(answer)) == 2 and not answer.body.count(b"event: done")
    assert loads.listeners == 0 and engine.asked == []
    assert installed.app.admission.running == 0
    assert installed.records("answer")[-1].outcome == "interrupted"
    assert QUESTION not in text_of(await people.alice.get(f"/projects/{asked.id}"))


async def test_an_engine_that_dies_is_explained(installed: Installed, people: People, asked: Project) -> None:
    engine = writing(installed, "Le préavis est de trois mois.")
    engine.error, engine.error_after = EngineDied(), 3
    name, data = events(await ask(people.alice, asked))[-1]
    assert name == "problem"
    assert "redémarre" in data["html"] and 'role="alert"' in data["html"]
    record = installed.records("answer")[-1]
    assert (record.outcome, record.facts["error"]) == ("failed", "engine_died")


@pytest.mark.parametrize("question", ["", "   \n", "x" * 5000])
async def test_a_question_must_be_one(people: People, asked: Project, question: str) -> None:
    name, data = events(await ask(people.alice, asked, question))[-1]
    assert name == "problem" and "question" in data["html"]


async def test_without_scripts_the_answer_is_a_page(people: People, asked: Project) -> None:
    answer = await people.alice.post(f"/projects/{asked.id}/ask", question=QUESTION)
    assert answer.status == 303
    assert "préavis de trois mois" in text_of(await people.alice.get(answer.headers["location"]))
    empty = await people.alice.post(f"/projects/{asked.id}/ask", question=" ")
    assert empty.status == 400
    assert "Écrivez une question" in text_of(empty)


async def test_a_source_whose_document_was_removed_says_so(
    installed: Installed, people: People, asked: Project
) -> None:
    conversation = done(await ask(people.alice, asked))["conversation"]
    document = installed.app.library.list(asked)[0]
    await people.alice.post(f"/projects/{asked.id}/documents/{document.id}/remove")
    page = await people.alice.get(conversation["href"])
    assert "Ce document a été retiré." in text_of(page)
    assert f"/documents/{document.id}?" not in page.body.decode()


async def test_who_waits_for_a_turn_sees_how_many_are_before(
    installed: Installed, people: People, asked: Project
) -> None:
    writing(installed, "Le préavis est de trois mois [1].")
    alice = installed.app.users.by_email("alice@firm.example")
    assert alice is not None
    with installed.app.admission.ticket("scripted", by=replace(LOCAL, user_id=alice.id), prompt_tokens=10) as ticket:
        waiting = asyncio.create_task(ask(people.bob, asked))
        async with asyncio.timeout(10):
            while not installed.app.admission.waiting:
                await asyncio.sleep(0.01)
        assert ticket.call is None
    steps = [data["text"] for name, data in events(await waiting) if name == "step"]
    assert re.fullmatch(r"0 question avant la vôtre, environ \d+\s?s…", steps[-1])
    assert installed.records("answer")[-1].facts["queue_position"] == 0


async def test_the_record_holds_no_word_of_it(installed: Installed, people: People, asked: Project) -> None:
    await ask(people.alice, asked)
    record = installed.records("answer")[-1]
    assert (record.object, record.facts["mode"]) == (asked.id, "quote")
    assert "préavis" not in repr(installed.records())
