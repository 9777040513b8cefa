"""The answer task on a real index: quoted, written and refused answers, conversations, records."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import delete

from intramuros.accounts.projects import Project, Projects
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, EngineDied, ModelNotFound, NotFound
from intramuros.observability.metrics import Metrics
from intramuros.retrieval.prompt import NOT_FOUND
from intramuros.retrieval.search import Search
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import documents
from intramuros.tasks.answer import Answer, AnswerTask, Done, Found, JudgedSentence, Text
from intramuros.tasks.conversation import Conversations
from tests.integration.conftest import People
from tests.integration.retrieval.indexed import FAQ, LEASE, RULES, add
from tests.scripted import ScriptedPool
from tests.unit.tasks.writers import Writer

PREAVIS = "Quel est le préavis du bail ?"
UNKNOWN = "Quel est le nom du chien de la réceptionniste ?"


@dataclass(frozen=True)
class Installed:
    """One model of some trust; none is installed where it is empty."""

    trust: str
    name: str = "scripted"

    def get(self, name: str) -> Installed:
        if not self.trust:
            raise ModelNotFound
        return self


@dataclass
class Asking:
    """The task with everything around it, asked by Alice."""

    task: AnswerTask
    project: Project
    people: People
    engine: Writer
    pool: ScriptedPool
    entry: Entry

    async def __call__(self, question: str, **more: Any) -> Answer:
        self.entry = Entry("answer", None, "api")
        more.setdefault("by", self.people.alice)
        return await self.task.run(question, project=self.project, entry=self.entry, **more)

    def trusting(self, trust: str) -> Asking:
        self.task = AnswerTask(
            self.task.search, self.pool, Installed(trust), self.task.conversations, self.task.metrics
        )
        return self


@pytest.fixture
def ask(database: Database, subject_keys: SubjectKeys, project: Project, people: People) -> Asking:
    for name, text in {"bail.md": LEASE, "faq.md": FAQ, "regles.md": RULES}.items():
        add(database, project, name, text)
    engine = Writer()
    pool = ScriptedPool(engine)
    task = AnswerTask(Search(database), pool, Installed("quotes"), Conversations(database, subject_keys), Metrics())
    return Asking(task, project, people, engine, pool, Entry("answer", None, "api"))


async def test_a_model_trusted_with_quotes_is_not_asked(ask: Asking) -> None:
    answer = await ask(PREAVIS)
    assert (answer.mode, answer.supported, answer.model) == ("quote", True, None)
    assert answer.answer.startswith("« Le préavis du bail est de trois mois.")
    first = answer.sources[0]
    assert (first.number, first.document, first.page) == (1, "bail.md", 1)
    assert first.quote.startswith("Le préavis du bail est de trois mois.")
    assert all(sentence.text in answer.answer and sentence.supported for sentence in answer.sentences)
    assert ask.engine.asked == []
    assert answer.timings.keys() == {"search_ms", "first_token_ms", "total_ms"}


@pytest.mark.parametrize(
    ("question", "language"),
    [
        (UNKNOWN, "fr"),
        ("What is the name of the receptionist's dog?", "en"),
        ("Wie heisst der Hund der Empfangsdame und was frisst er?", "de"),
        ("Come si chiama il cane della portinaia e quanti anni ha?", "it"),
    ],
)
@pytest.mark.parametrize("trust", ["quotes", "answers"])
async def test_what_is_not_there_is_not_answered(ask: Asking, question: str, language: str, trust: str) -> None:
    answer = await ask.trusting(trust)(question)
    assert (answer.mode, answer.supported, answer.language) == ("none", False, language)
    assert answer.sources == ()
    assert answer.answer
    assert ask.engine.asked == []


async def test_the_nearest_passages_are_shown_with_a_refusal(ask: Asking) -> None:
    answer = await ask("Quel est le préavis du directeur du cirque de Berne ?")
    assert answer.mode == "none"
    assert answer.nearest[0].document == "bail.md"
    assert answer.nearest[0].number is None


async def test_without_any_model_quotes_answer(ask: Asking) -> None:
    assert (await ask.trusting("")(PREAVIS)).mode == "quote"
    with pytest.raises(ModelNotFound):
        await ask(PREAVIS, mode="write")


async def test_a_larger_model_writes_and_is_checked(ask: Asking) -> None:
    ask.engine.say("Le préavis est de 3 mois [1]. La caution est de 9 999 francs [1].")
    answer = await ask.trusting("answers")(PREAVIS)
    assert (answer.mode, answer.model, answer.supported) == ("write", "scripted", False)
    assert [(s.supported, s.sources) for s in answer.sentences] == [(True, (1,)), (False, (1,))]
    assert answer.sentences[1].reason
    assert [source.number for source in answer.sources] == [1]
    assert answer.sources[0].document == "bail.md"
    assert [given.number for given in answer.read] == list(range(1, len(answer.read) + 1))


async def test_a_model_that_finds_no_answer_gives_none(ask: Asking) -> None:
    ask.engine.say(NOT_FOUND["fr"])
    answer = await ask.trusting("answers")(PREAVIS)
    assert (answer.mode, answer.supported, answer.model) == ("none", False, "scripted")
    assert answer.nearest


@pytest.mark.parametrize(("trust", "mode"), [("quotes", "write"), ("answers", "quote")])
async def test_the_caller_may_choose_the_mode(ask: Asking, trust: str, mode: str) -> None:
    ask.engine.say("Le préavis est de 3 mois [1].")
    assert (await ask.trusting(trust)(PREAVIS, mode=mode)).mode == mode


async def test_events_come_in_order(ask: Asking) -> None:
    ask.engine.say("Le préavis est de 3 mois [1]. Le loyer est bas.")
    ask.trusting("answers")
    stream = ask.task.stream(PREAVIS, project=ask.project, by=ask.people.alice, entry=ask.entry)
    events = [event async for event in stream]
    assert isinstance(events[0], Found)
    assert events[0].passages[0].document == "bail.md"
    assert isinstance(events[-1], Done)
    middle = events[1:-1]
    assert {type(event) for event in middle} == {Text, JudgedSentence}
    assert "".join(event.text for event in middle if isinstance(event, Text)) == events[-1].answer.answer
    json.dumps([{"kind": event.kind, **event.to_json()} for event in events])


async def test_a_conversation_only_grows_and_keeps_its_numbers(ask: Asking) -> None:
    conversation = ask.task.conversations.create(ask.project, by=ask.people.alice)
    ask.trusting("answers").engine.say("Le préavis est de trois mois [1].")
    first = await ask(PREAVIS, conversation=conversation)
    ask.engine.say("La carte coûte 25 francs.")
    second = await ask("What does a parking card cost a month?", conversation=conversation)
    chats = [request["messages"] for request in ask.engine.asked]
    assert chats[1][: len(chats[0])] == chats[0]
    assert {given.number for given in first.read}.isdisjoint({given.number for given in second.read})
    turns = ask.task.conversations.turns(conversation, project=ask.project, by=ask.people.alice)
    assert [turn.answer["answer"] for turn in turns] == [first.answer, second.answer]
    assert (second.conversation, second.turn) == (conversation, turns[1].id)


async def test_a_short_follow_up_is_searched_with_the_question_before(ask: Asking) -> None:
    conversation = ask.task.conversations.create(ask.project, by=ask.people.alice)
    await ask("Combien de jours de congés payés a un salarié ?", conversation=conversation)
    assert (await ask("Et pour un apprenti ?", conversation=conversation)).mode == "quote"
    assert (await ask("Et pour un apprenti ?")).mode == "none"


async def test_what_was_erased_is_not_sent_again(ask: Asking, database: Database) -> None:
    conversation = ask.task.conversations.create(ask.project, by=ask.people.alice)
    ask.trusting("answers").engine.say("Le préavis est de trois mois [1].")
    await ask(PREAVIS, conversation=conversation)
    with database.write() as connection:
        connection.execute(delete(documents).where(documents.c.name == "bail.md"))
    await ask("What does a parking card cost a month?", conversation=conversation)
    assert "réception de la lettre" not in json.dumps(ask.engine.asked[-1]["messages"], ensure_ascii=False)


async def test_nobody_else_continues_a_conversation(ask: Asking, people: People) -> None:
    conversation = ask.task.conversations.create(ask.project, by=people.alice)
    for other in (people.bob, people.charlie):
        with pytest.raises(NotFound):
            await ask(PREAVIS, conversation=conversation, by=other)


async def test_other_projects_do_not_answer(ask: Asking, projects: Projects, database: Database) -> None:
    other = projects.create("Other", by=ask.people.alice)
    add(database, other, "chien.md", "Le nom du chien de la réceptionniste est Rex.")
    assert (await ask(UNKNOWN)).mode == "none"
    ask.project = other
    assert "Rex" in (await ask(UNKNOWN)).answer


async def test_the_record_has_numbers_and_no_content(ask: Asking) -> None:
    ask.engine.say("Le préavis est de 3 mois [1].")
    await ask.trusting("answers")(PREAVIS)
    facts = ask.entry.facts
    assert facts["mode"] == "write"
    assert (facts["model"], facts["route"]) == ("scripted", "inside")
    assert facts["sources"] == 1
    assert (facts["prompt_tokens"], facts["completion_tokens"], facts["cached_tokens"]) == (12, 3, 8)
    assert "préavis" not in json.dumps(facts, ensure_ascii=False).lower()
    assert ask.task.metrics is not None
    assert b'intramuros_generations_total{model="scripted",outcome="ok"} 1.0' in ask.task.metrics.render()


async def test_a_closed_stream_stops_the_model_and_keeps_no_turn(ask: Asking) -> None:
    conversation = ask.task.conversations.create(ask.project, by=ask.people.alice)
    ask.engine.say("Le préavis est de 3 mois [1]. " * 9)
    ask.trusting("answers")
    stream = ask.task.stream(
        PREAVIS, project=ask.project, by=ask.people.alice, entry=ask.entry, conversation=conversation
    )
    async for event in stream:
        if isinstance(event, Text):
            break
    await stream.aclose()
    await asyncio.sleep(0)
    assert (ask.engine.running, ask.engine.cancelled, ask.pool.borrowed) == (0, 1, 0)
    assert ask.entry.facts["completion_tokens"] > 0
    assert ask.task.conversations.turns(conversation, project=ask.project, by=ask.people.alice) == []


async def test_a_model_that_dies_is_an_error(ask: Asking) -> None:
    ask.engine.say("Le préavis est de 3 mois [1].")
    ask.engine.error, ask.engine.error_after = EngineDied(), 2
    with pytest.raises(EngineDied):
        await ask.trusting("answers")(PREAVIS)
    assert ask.pool.borrowed == 0


@pytest.mark.parametrize(("question", "more"), [("  ", {}), ("x", {"mode": "sing"})])
async def test_bad_questions(ask: Asking, question: str, more: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await ask(question, **more)
