"""Search on a real encrypted index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import delete

from intramuros.accounts.projects import Project, Projects
from intramuros.documents import samples
from intramuros.retrieval.search import PER_DOCUMENT, Search
from intramuros.storage.database import Database
from intramuros.storage.schema import documents
from tests.integration.conftest import People
from tests.integration.retrieval.indexed import FAQ, LEASE, RULES, add


@pytest.fixture
def search(database: Database, project: Project) -> Search:
    add(database, project, "bail.md", LEASE)
    add(database, project, "faq.md", FAQ)
    add(database, project, "regles.md", RULES)
    return Search(database)


def test_finds_the_passage_with_its_place(search: Search, project: Project) -> None:
    first, *_ = search.find("Quel est le préavis du bail ?", projects=[project.id])
    assert (first.document, first.page, first.language) == ("bail.md", 1, "fr")
    assert "trois mois" in first.text
    assert first.headings[-1] == "Article 1. Préavis"
    assert first.score > 0


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("What does a parking card cost?", "faq.md"),
        ("les congés payés", "regles.md"),
        ("CONGE PAYE", "regles.md"),
        ("réceptions de lettres recommandées", "bail.md"),
        ("faq", "faq.md"),
    ],
)
def test_words_meet_whatever_their_form(search: Search, project: Project, question: str, document: str) -> None:
    assert search.find(question, projects=[project.id])[0].document == document


@pytest.mark.parametrize("question", ["", "?", "licorne", "Qu'est-ce que c'est ?", '"NEAR(" OR *', "préavis"])
def test_any_question_is_searched(search: Search, project: Project, question: str) -> None:
    found = search.look(question, projects=[project.id])
    assert bool(found.passages) == (question == "préavis")
    assert found.query.text == question


def test_only_the_given_projects_are_searched(
    search: Search, project: Project, projects: Projects, people: People, database: Database
) -> None:
    other = projects.create("Other", by=people.alice)
    add(database, other, "secret.md", "# Préavis secret\n\nLe préavis secret est de neuf mois.")
    assert {p.document for p in search.find("préavis", projects=[project.id])} == {"bail.md"}
    assert {p.document for p in search.find("préavis", projects=[other.id])} == {"secret.md"}
    assert len({p.document for p in search.find("préavis", projects=[project.id, other.id])}) == 2
    assert search.find("préavis", projects=[]) == []


def test_words_of_other_projects_do_not_change_what_a_word_weighs(
    search: Search, project: Project, projects: Projects, people: People, database: Database
) -> None:
    before = search.look("préavis", projects=[project.id]).query.words
    other = projects.create("Other", by=people.alice)
    for number in range(40):
        add(database, other, f"{number}.md", f"Le préavis numéro {number} est long.")
    assert search.look("préavis", projects=[project.id]).query.words == before


def test_passages_of_another_project_are_not_given_by_number(
    search: Search, project: Project, projects: Projects, people: People
) -> None:
    ids = [p.chunk_id for p in search.find("préavis", projects=[project.id])]
    other = projects.create("Other", by=people.alice)
    assert [p.chunk_id for p in search.passages(ids, projects=[project.id])] == ids
    assert search.passages(ids, projects=[other.id]) == []


def test_a_removed_document_is_gone(search: Search, project: Project, database: Database) -> None:
    ids = [p.chunk_id for p in search.find("préavis", projects=[project.id])]
    with database.write() as connection:
        connection.execute(delete(documents).where(documents.c.name == "bail.md"))
    assert search.find("préavis", projects=[project.id]) == []
    assert search.passages(ids, projects=[project.id]) == []


def test_one_document_does_not_take_all_places(search: Search, project: Project, database: Database) -> None:
    chapters = "".join(f"\n\n## Chapitre {n}\n\nLe préavis du chapitre {n} est un préavis." for n in range(9))
    add(database, project, "long.md", f"# Préavis{chapters}")
    found = search.find("préavis", projects=[project.id], limit=5)
    assert len(found) == 5
    assert "bail.md" in {p.document for p in found}
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert sum(p.document == "long.md" for p in found[: PER_DOCUMENT + 1]) >= 1


def test_a_language_narrows_the_search(search: Search, project: Project) -> None:
    assert {p.language for p in search.find("parking", projects=[project.id], language="en")} == {"en"}
    assert search.find("parking", projects=[project.id], language="fr") == []


def test_a_passage_of_a_pdf_has_rectangles_on_its_page(database: Database, project: Project) -> None:
    path = next(path for path in samples.paths() if path.suffix == ".pdf")
    add(database, project, path.name, path.read_bytes())
    (first, *_) = Search(database).find("jours de congés payés d'un salarié à temps plein", projects=[project.id])
    assert first.page == 2
    start = first.text.index("27 jours")
    (rect,) = first.rects_of(start, start + len("27 jours"))
    assert 0 < rect[2] - rect[0] < 100
    assert len(first.rects) >= len(first.text) // 400
    whole = first.rects[0]
    assert whole[0] <= rect[0] < rect[2] <= max(r[2] for r in first.rects) + 1


@dataclass(frozen=True)
class Backwards:
    """A second ranking that prefers what the words rank last."""

    weight: float
    order: tuple[int, ...]

    def rank(self, question: str, *, projects: Sequence[str], limit: int) -> list[int]:
        return list(self.order)[:limit]


def test_a_second_ranking_joins_by_its_weight(search: Search, project: Project, database: Database) -> None:
    usual = search.find("le préavis, la caution et la lettre", projects=[project.id])
    assert len(usual) == 2
    backwards = tuple(p.chunk_id for p in reversed(usual))
    light, heavy = Search(database, Backwards(0.1, backwards)), Search(database, Backwards(10, backwards))
    ask = "le préavis, la caution et la lettre"
    assert [p.chunk_id for p in light.find(ask, projects=[project.id])] == [p.chunk_id for p in usual]
    assert [p.chunk_id for p in heavy.find(ask, projects=[project.id])] == list(backwards)


def test_a_second_ranking_cannot_reach_into_another_project(
    search: Search, project: Project, projects: Projects, people: People, database: Database
) -> None:
    other = projects.create("Other", by=people.alice)
    add(database, other, "secret.md", "Le secret est gardé.")
    (secret,) = search.find("secret", projects=[other.id])
    fused = Search(database, Backwards(10, (secret.chunk_id,)))
    assert all(p.document != "secret.md" for p in fused.find("préavis", projects=[project.id]))
