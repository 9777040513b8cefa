from __future__ import annotations

import pytest
from sqlalchemy import insert, text

from intramuros.storage import fulltext
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks, documents, new_id, now, projects

ALICE, CHARLIE = "aB3-_xYz01234567", "ab3-_xyz01234567"  # two projects whose ids differ only by case


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        fulltext.add(
            connection,
            [
                (1, "bail commercial", "duree", "bail neuf an a-1234/2024", ALICE),
                (2, "reglement", "conge", "delai conge trois mois bail", ALICE),
                (3, "reglement", "horaire", "heure travail semaine", ALICE),
                (4, "bail", "duree", "bail secret charlie", CHARLIE),
            ],
        )
    return database


def found(database: Database, *terms: str, projects: tuple[str, ...] = (ALICE,), limit: int = 10) -> list[int]:
    with database.read() as connection:
        return [chunk_id for chunk_id, _ in fulltext.search(connection, terms, project_ids=projects, limit=limit)]


def test_passages_with_any_of_the_terms_best_first(filled: Database) -> None:
    assert found(filled, "bail", "neuf") == [1, 2]
    assert found(filled, "conge", "bail") == [2, 1]
    assert found(filled, "absent") == []


def test_scores_fall(filled: Database) -> None:
    with filled.read() as connection:
        scores = [s for _, s in fulltext.search(connection, ["bail", "duree"], project_ids=[ALICE], limit=10)]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)


def test_another_project_is_not_seen_even_if_its_id_is_nearly_the_same(filled: Database) -> None:
    assert found(filled, "secret", "charlie") == []
    assert found(filled, "bail") == [1, 2]
    assert found(filled, "bail", projects=(CHARLIE,)) == [4]
    assert set(found(filled, "bail", projects=(ALICE, CHARLIE))) == {1, 2, 4}
    assert found(filled, "bail", projects=()) == []


def test_a_project_s_own_mark_is_not_a_term(filled: Database) -> None:
    """Nobody finds passages by guessing how the index marks their project."""
    mark = "p" + ALICE.encode().hex()
    assert found(filled, mark) == []
    with filled.read() as connection:
        assert fulltext.document_frequency(connection, [mark], project_ids=[ALICE]) == {mark: 0}


@pytest.mark.parametrize("term", ['"', 'bail" OR "secret', "scope : x", "bail*", "NEAR(", "-", "é", "(", "'", "a\0b"])
def test_a_term_is_never_an_instruction(filled: Database, term: str) -> None:
    assert 4 not in found(filled, term)


def test_terms_stay_as_given(filled: Database) -> None:
    assert found(filled, "a-1234/2024") == [1]
    assert found(filled, "1234") == []
    assert found(filled, "baux") == []


def test_title_and_headings_weigh_more(filled: Database) -> None:
    with filled.write() as connection:
        fulltext.add(connection, [(10, "preavis", "a", "b c d", ALICE), (11, "a", "b", "preavis c d", ALICE)])
    assert found(filled, "preavis") == [10, 11]
    with filled.read() as connection:
        weights = fulltext.Weights(title=0.1)
        ranked = fulltext.search(connection, ["preavis"], project_ids=[ALICE], limit=5, weights=weights)
    assert [chunk_id for chunk_id, _ in ranked] == [11, 10]


def test_a_question_may_be_as_long_as_a_page_and_a_person_in_many_projects(filled: Database) -> None:
    terms = [f"mot{number}" for number in range(2000)]
    projects = tuple(f"project{number}" for number in range(2000))
    assert found(filled, *terms, "neuf", projects=(*projects, ALICE)) == [1]


def test_limit(filled: Database) -> None:
    assert found(filled, "bail", "conge", limit=1) == [2]


def test_frequencies(filled: Database) -> None:
    with filled.read() as connection:
        assert fulltext.document_frequency(connection, ["bail", "heure", "absent"]) == {
            "bail": 3,
            "heure": 1,
            "absent": 0,
        }
        assert fulltext.document_frequency(connection, ["bail"], project_ids=[ALICE]) == {"bail": 2}
        assert fulltext.document_frequency(connection, ["bail"], project_ids=[]) == {"bail": 0}
        assert fulltext.count(connection) == 4
        assert fulltext.count(connection, project_ids=[ALICE]) == 3
        assert fulltext.count(connection, project_ids=[]) == 0


def test_removed_passages_are_not_found_or_counted(filled: Database) -> None:
    with filled.write() as connection:
        fulltext.remove(connection, [1, 999])
        fulltext.remove(connection, [])
    assert found(filled, "bail") == [2]
    with filled.read() as connection:
        assert fulltext.count(connection) == 3
        assert fulltext.document_frequency(connection, ["neuf", "bail"]) == {"neuf": 0, "bail": 2}
    with filled.write() as connection:
        fulltext.check(connection)


@pytest.mark.parametrize("others", [0, 300], ids=["rewritten", "wiped"])
def test_removed_one_way_or_the_other(filled: Database, others: int) -> None:
    with filled.write() as connection:
        fulltext.add(connection, [(1000 + number, "t", "h", "autre", CHARLIE) for number in range(others)])
    many = range(100, 102)
    with filled.write() as connection:
        fulltext.add(connection, [(number, "t", "h", f"wort{number} gemeinsam", ALICE) for number in many])
    with filled.write() as connection:
        fulltext.remove(connection, many)
        fulltext.check(connection)
    assert found(filled, "gemeinsam") == []
    assert found(filled, "bail") == [1, 2]
    with filled.read() as connection:
        assert connection.execute(text("SELECT v FROM passages_config WHERE k = 'secure-delete'")).scalar() == 1


def test_a_failed_transaction_leaves_the_index_as_it_was(filled: Database) -> None:
    with pytest.raises(ZeroDivisionError), filled.write() as connection:
        fulltext.remove(connection, [1])
        fulltext.add(connection, [(20, "bail", "", "bail bail", ALICE)])
        _ = 1 / 0
    assert found(filled, "bail") == [1, 2]


def add_chunk(database: Database) -> tuple[int, str]:
    with database.write() as connection:
        project, document = new_id(), new_id()
        connection.execute(insert(projects).values(id=project, name=project, created_at=now()))
        connection.execute(
            insert(documents).values(
                id=document,
                project_id=project,
                name="lease.pdf",
                media_type="application/pdf",
                sha256=document.encode(),
                size_bytes=1,
                blob_id="0" * 32,
                state="ready",
                created_at=now(),
                updated_at=now(),
            )
        )
        made = connection.execute(
            insert(chunks).values(
                document_id=document,
                project_id=project,
                ordinal=0,
                page=1,
                headings=[],
                text="Le bail dure neuf ans.",
                start=0,
                lines=[],
                tokens=6,
            )
        )
        assert made.inserted_primary_key is not None
        number: int = made.inserted_primary_key[0]
        fulltext.add(connection, [(number, "lease", "", "bail dure neuf an", project)])
    return number, project


def test_erasing_a_project_erases_its_passages(database: Database) -> None:
    """Whatever deletes chunks, directly or through what owns them, can't forget the index."""
    _, project = add_chunk(database)
    assert len(found(database, "bail", projects=(project,))) == 1
    with database.write() as connection:
        connection.execute(projects.delete().where(projects.c.id == project))
    with database.read() as connection:
        assert fulltext.count(connection) == 0
        assert fulltext.document_frequency(connection, ["bail"]) == {"bail": 0}


def test_the_number_of_an_erased_chunk_is_never_used_again(database: Database) -> None:
    number, project = add_chunk(database)
    with database.write() as connection:
        connection.execute(projects.delete().where(projects.c.id == project))
    assert add_chunk(database)[0] > number
