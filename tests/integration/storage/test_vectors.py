"""Vectors in a real encrypted database: ranked by angle within projects, gone with their chunks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select

from intramuros.storage import vectors
from intramuros.storage.database import Database, open_database
from intramuros.storage.schema import chunks, documents, new_id, now, projects
from intramuros.storage.schema import vectors as table
from tests.support import plain

MODEL, OTHER = "a" * 64, "b" * 64
SHAPE = bytes(range(60, 124))  # a vector of 64 numbers that no other page of the file holds


def chunk(database: Database, project: str, *, number: int = 1) -> list[int]:
    """Chunks of a new document in a project, which is made if need be."""
    with database.write() as connection:
        if connection.execute(select(projects).where(projects.c.id == project)).first() is None:
            row = {"id": project, "name": project, "created_at": now()}
            connection.execute(insert(projects).values(row))
        document = new_id()
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
        row = {"document_id": document, "project_id": project, "page": 1, "headings": [], "lines": [], "start": 0}
        rows = [{**row, "ordinal": ordinal, "text": "Le bail", "tokens": 2} for ordinal in range(number)]
        return list(connection.scalars(insert(chunks).returning(chunks.c.id, sort_by_parameter_order=True), rows))


def put(database: Database, *rows: vectors.Row, model: str = MODEL) -> None:
    with database.write() as connection:
        vectors.put(connection, rows, model=model)


def rank(database: Database, vector: bytes, *project_ids: str, model: str = MODEL, limit: int = 10) -> list[int]:
    with database.read() as connection:
        found = vectors.rank(connection, vector, model=model, project_ids=project_ids, limit=limit)
    return [chunk_id for chunk_id, _ in found]


def stored(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_nearest_first_by_angle_whatever_the_length(database: Database) -> None:
    far, near, middle = chunk(database, "alice", number=3)
    made = {far: [-1.0, 0.1], near: [0.002, 0.0001], middle: [500.0, 500.0]}
    put(database, *(vectors.Row(id_, vectors.quantised(values)) for id_, values in made.items()))
    assert rank(database, vectors.quantised([3, 0]), "alice") == [near, middle, far]
    assert rank(database, vectors.quantised([3, 0]), "alice", limit=2) == [near, middle]
    with database.read() as connection:
        question = vectors.quantised([1, 0])
        found = dict(vectors.rank(connection, question, model=MODEL, project_ids=["alice"], limit=3))
    assert found[middle] == pytest.approx(math.cos(math.radians(45)), abs=0.001)


def test_only_vectors_of_the_projects_and_of_the_model(database: Database) -> None:
    [mine], [theirs] = chunk(database, "alice"), chunk(database, "charlie")
    vector = vectors.quantised([1, 0])
    put(database, vectors.Row(mine, vectors.quantised([0, 1])), vectors.Row(theirs, vector))
    assert rank(database, vector, "alice", limit=1) == [mine]
    assert rank(database, vector, "charlie") == [theirs]
    assert rank(database, vector, "alice", "charlie") == [theirs, mine]
    assert rank(database, vector) == []
    assert rank(database, vector, "alice", model=OTHER) == []
    assert rank(database, vectors.quantised([1, 0, 0]), "alice") == []


def test_a_newer_vector_replaces_the_one_of_another_model(database: Database) -> None:
    one, two = chunk(database, "alice", number=2)
    with database.read() as connection:
        document = connection.scalar(select(chunks.c.document_id).where(chunks.c.id == one)) or ""
    put(database, vectors.Row(one, b"\1\2"), vectors.Row(two, b"\1\2", 7))
    put(database, vectors.Row(one, b"\2\1", 5), model=OTHER)
    with database.read() as connection:
        assert vectors.missing(connection, document, model=MODEL, limit=9) == [one]
        assert vectors.missing(connection, document, model=OTHER, limit=9) == [two]
        assert vectors.missing(connection, document, model="c" * 64, limit=1) == [one]
        assert vectors.counts(connection, model=MODEL) == (2, 1, 1, 7)
        assert vectors.counts(connection, model=OTHER) == (2, 1, 1, 5)


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [1.0, math.nan], [math.inf, 1.0]])
def test_what_points_nowhere_is_no_vector(values: list[float]) -> None:
    with pytest.raises(ValueError, match="a vector"):
        vectors.quantised(values)


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=8, max_size=64).filter(any))
def test_the_angle_survives_the_bytes(values: list[float]) -> None:
    made = [byte - 256 if byte > 127 else byte for byte in vectors.quantised(values)]
    dot = sum(a * b for a, b in zip(values, made, strict=True))
    assert dot / (math.hypot(*values) * math.hypot(*made)) > 0.99


@pytest.mark.parametrize("erase", ["chunk", "document", "project"])
def test_vectors_go_with_what_they_were_made_of(database: Database, erase: str) -> None:
    [id_] = chunk(database, "alice")
    put(database, vectors.Row(id_, b"\1\2"))
    row = {
        "chunk": delete(chunks).where(chunks.c.id == id_),
        "document": delete(documents),
        "project": delete(projects).where(projects.c.id == "alice"),
    }[erase]
    with database.write() as connection:
        connection.execute(row)
    assert stored(database) == 0


def test_an_erased_vector_is_nowhere_in_the_files(database: Database, database_key: bytes) -> None:
    ids = chunk(database, "alice", number=300)
    put(database, *(vectors.Row(id_, SHAPE if id_ == ids[100] else bytes([id_ % 100] * 64)) for id_ in ids))
    assert SHAPE in plain.log(database.path, database_key)
    assert database.checkpoint()
    assert SHAPE in plain.pages(database.path, database_key)
    with database.write() as connection:
        connection.execute(delete(chunks).where(chunks.c.id == ids[100]))
    assert database.checkpoint()
    after = plain.pages(database.path, database_key) + plain.log(database.path, database_key)
    assert SHAPE[:16] not in after
    assert bytes([ids[50] % 100] * 64) in after


def test_a_replaced_vector_is_nowhere_in_the_files(database: Database, database_key: bytes) -> None:
    [id_] = chunk(database, "alice")
    put(database, vectors.Row(id_, SHAPE))
    put(database, vectors.Row(id_, bytes([5] * 64)), model=OTHER)
    assert database.checkpoint()
    assert SHAPE[:16] not in plain.pages(database.path, database_key)


def test_no_vector_is_readable_in_any_file(database: Database) -> None:
    ids = chunk(database, "alice", number=200)
    put(database, *(vectors.Row(id_, SHAPE) for id_ in ids))
    for path in (path for path in database.path.parent.rglob("*") if path.is_file()):
        assert SHAPE[:8] not in path.read_bytes(), path.name


def test_without_sqlite_vec_the_database_opens_and_says_that_it_can_t_compare(
    database: Database, database_key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.can_compare_vectors
    monkeypatch.setattr("intramuros.storage.database._vector_functions", lambda: str(tmp_path / "vec0"))
    again = open_database(database.path, database_key)
    assert not again.can_compare_vectors
    again.close()


def test_no_other_extension_can_be_loaded(database: Database) -> None:
    with pytest.raises(Exception, match="not authorized"):
        database.glance("SELECT load_extension('/tmp/evil')")
