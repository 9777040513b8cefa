"""Write mode with the real engine and the starter model: a follow-up reuses the prefix cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.projects import Project
from intramuros.audit.entry import Entry
from intramuros.engines.pool import EnginePool
from intramuros.models import catalogue
from intramuros.models.installed import InstalledModels
from intramuros.privacy.egress import Egress
from intramuros.retrieval.search import Search
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import load
from intramuros.storage.database import Database
from intramuros.tasks import fitting
from intramuros.tasks.answer import AnswerTask
from intramuros.tasks.conversation import Conversations
from tests.integration.conftest import People
from tests.integration.retrieval.indexed import FAQ, add


class Remembered:
    """The name of the default model."""

    value: Any = None

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value


@pytest.fixture
async def task(
    tmp_path: Path, database: Database, subject_keys: SubjectKeys, starter_model: Path
) -> AsyncIterator[AnswerTask]:
    settings = load({"data": tmp_path / "data", "autotune": False, "context_tokens": 2048}, environ={})
    models = InstalledModels(settings.models_folder, catalogue.load(), default=Remembered())
    models.add_file(starter_model, "starter-test")
    pool = EnginePool(models, settings, egress=Egress())
    yield AnswerTask(Search(database), pool, models, Conversations(database, subject_keys))
    await pool.stop()


@pytest.mark.starter
async def test_a_follow_up_reads_only_what_is_new(
    task: AnswerTask, database: Database, project: Project, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "ANSWER_TOKENS", 16)
    add(database, project, "faq.md", FAQ)
    conversation = task.conversations.create(project, by=people.alice)
    facts = []
    for question in ("What does a parking card cost a month?", "Which paper does the printer take?"):
        entry = Entry("answer", None, "api")
        answer = await task.run(
            question, project=project, by=people.alice, entry=entry, conversation=conversation, mode="write"
        )
        assert (answer.mode, answer.model, answer.left_out) == ("write", "starter-test", 0)
        facts.append(entry.facts)
    first, second = facts
    assert first["prompt_tokens"] > 150
    assert second["cached_tokens"] >= first["prompt_tokens"]
    assert second["prompt_tokens"] - second["cached_tokens"] < 0.5 * first["prompt_tokens"]
