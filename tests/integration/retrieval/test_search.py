"""Search on a real encrypted index."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from sqlalchemy import delete, select

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.documents import samples
from intramuros.engines.embedder import QuestionVector
from intramuros.retrieval.search import PER_DOCUMENT, Found, Search
from intramuros.storage import vectors
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks, documents
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


MODEL = "a" * 64
ASK = "le préavis, la caution et la lettre"


def pointing(angle_deg: float) -> bytes:
    """A vector in a plane, by its angle."""
    turn = math.radians(angle_deg)
    return vectors.quantised([math.cos(turn), math.sin(turn)])


def embed(database: Database, angles_deg: dict[int, float], *, model: str = MODEL) -> None:
    """Gives chunks vectors, made by hand."""
    rows = [vectors.Row(chunk, pointing(angle)) for chunk, angle in angles_deg.items()]
    with database.write() as connection:
        vectors.put(connection, rows, model=model)


def at(angle_deg: float, *, weight: float = 1.0, model: str = MODEL) -> QuestionVector:
    """A question's vector, made by hand."""
    return QuestionVector(pointing(angle_deg), model, weight)


def chunks_of(found: Found) -> list[int]:
    return [passage.chunk_id for passage in found.passages]


def all_chunks(database: Database, project: Project) -> dict[int, str]:
    with database.read() as connection:
        rows = connection.execute(select(chunks.c.id, chunks.c.text).where(chunks.c.project_id == project.id))
        return {row.id: row.text for row in rows}


def test_without_a_vector_words_alone_rank(search: Search, project: Project, database: Database) -> None:
    usual = search.look(ASK, projects=[project.id])
    embed(database, dict.fromkeys(all_chunks(database, project), 0.0))
    again = search.look(ASK, projects=[project.id])
    assert again == usual
    assert (again.passages, again.lexical_only) == (again.by_words, False)


def test_a_passage_without_a_word_of_the_question_is_found_by_its_vector(
    search: Search, project: Project, database: Database
) -> None:
    parking = next(chunk for chunk, text in all_chunks(database, project).items() if "parking card" in text)
    embed(database, dict.fromkeys(all_chunks(database, project), 170.0) | {parking: 5.0})
    assert parking not in chunks_of(search.look("stationnement", projects=[project.id]))
    found = search.look("stationnement", projects=[project.id], vector=at(0))
    assert chunks_of(found)[0] == parking
    assert parking not in {passage.chunk_id for passage in found.by_words}


def test_vectors_join_by_their_weight(search: Search, project: Project, database: Database) -> None:
    first, second = chunks_of(search.look(ASK, projects=[project.id]))
    embed(database, {first: 90.0, second: 1.0})
    light = search.look(ASK, projects=[project.id], vector=at(0, weight=0.1))
    assert [p.score for p in light.passages] == pytest.approx([1 / 61 + 0.1 / 62, 1 / 62 + 0.1 / 61])
    assert chunks_of(light) == [first, second]
    heavy = search.look(ASK, projects=[project.id], vector=at(0, weight=2.0))
    assert chunks_of(heavy) == [second, first]
    assert [p.chunk_id for p in heavy.by_words] == [first, second]
    assert heavy.by_words == search.look(ASK, projects=[project.id]).passages


def test_vectors_of_another_model_are_never_compared(search: Search, project: Project, database: Database) -> None:
    embed(database, dict.fromkeys(all_chunks(database, project), 0.0))
    found = search.look("stationnement", projects=[project.id], vector=at(0, model="b" * 64))
    assert found.passages == ()
    assert not found.lexical_only


def test_a_question_whose_vector_could_not_be_made_says_so(search: Search, project: Project) -> None:
    found = search.look(ASK, projects=[project.id], vector=QuestionVector(b"", MODEL, 1.0))
    assert found.lexical_only
    assert found.passages == search.look(ASK, projects=[project.id]).passages


def test_a_vector_finds_nothing_that_its_asker_may_not_read(
    search: Search, project: Project, projects: Projects, people: People, database: Database
) -> None:
    """Charlie's own project stands beside Alice's; the nearest vectors of all are in hers."""
    own = projects.create("Charlie's", by=people.charlie)
    add(database, own, "own.md", "# Own\n\nNothing about it.")
    embed(database, dict.fromkeys(all_chunks(database, project), 0.0))
    embed(database, dict.fromkeys(all_chunks(database, own), 60.0))

    def found_by(caller: Caller) -> set[str]:
        mine = [place.id for place in projects.list(caller)]
        return {p.document for p in search.look("stationnement", projects=mine, vector=at(0), limit=1).passages}

    assert found_by(people.alice) == found_by(people.bob) != {"own.md"}
    assert found_by(people.charlie) == {"own.md"}
    assert search.look("stationnement", projects=[], vector=at(0)).passages == ()


async def test_every_search_is_counted_by_how_it_was_ranked(
    database: Database, project: Project, search: Search
) -> None:
    @dataclass
    class Scripted:
        vector: QuestionVector | None

        async def question(self, text: str) -> QuestionVector | None:
            return self.vector

    told: list[str] = []
    for vector in (None, at(0), QuestionVector(b"", MODEL, 1.0)):
        await Search(database, Scripted(vector), told.append).ask("préavis", projects=[project.id])
    assert told == ["words", "fused", "lexical_only"]
