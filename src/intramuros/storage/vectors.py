"""Vectors of chunks: stored with a byte a number, compared by their angle with `sqlite-vec`, within given projects.

Called by document ingestion (`put`, `missing`) and by retrieval (`rank`). It knows no models: a model is its file's
hash, and vectors of different ones are never compared. A vector goes when its chunk goes, by the table's own rule.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, text
from sqlalchemy.dialects.sqlite import insert

from intramuros.storage.schema import chunks, vectors


class Row(NamedTuple):
    """The vector of a chunk; `cut_tokens` of the chunk were more than the model reads."""

    chunk_id: int
    vector: bytes
    cut_tokens: int = 0


class Counts(NamedTuple):
    """How many passages there are, have a vector of one model, and were cut for it, by how many tokens in all."""

    passages: int
    embedded: int
    cut: int
    cut_tokens: int


def quantised(values: Sequence[float]) -> bytes:
    """A vector with a byte a number. Its length is lost on purpose: what is compared is the angle.

    Raises: ValueError for a vector that points nowhere: empty, all zero, or with a number that is none.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("a vector is made of numbers")
    peak = max(map(abs, values))
    if not peak:
        raise ValueError("a vector of zeros points nowhere")
    return array("b", [round(value / peak * 127) for value in values]).tobytes()


def put(connection: Connection, rows: Iterable[Row], *, model: str) -> None:
    """Stores vectors; one that a chunk has from any model before is replaced."""
    values = [{"model": model, **row._asdict()} for row in rows]
    if values:
        statement = insert(vectors)
        fresh = {name: statement.excluded[name] for name in ("model", "cut_tokens", "vector")}
        connection.execute(statement.on_conflict_do_update(index_elements=["chunk_id"], set_=fresh), values)


def rank(
    connection: Connection,
    vector: bytes,
    *,
    model: str,
    project_ids: Sequence[str],
    limit: int,
    document_ids: Sequence[str] | None = None,
) -> list[tuple[int, float]]:
    """The chunks of these projects whose vectors of this model are nearest: `(chunk_id, cosine)`, nearest first.

    `document_ids`: only of these.
    Only vectors of these projects are looked at: time grows with their number, about 5 µs for 384 numbers.
    """
    among = "" if document_ids is None else " AND chunks.document_id IN (SELECT value FROM json_each(:documents))"
    statement = text(
        "SELECT chunks.id, 1 - vec_distance_cosine(vec_int8(vectors.vector), vec_int8(:vector)) AS nearness"
        " FROM chunks CROSS JOIN vectors ON vectors.chunk_id = chunks.id"
        " WHERE chunks.project_id IN :projects AND vectors.model = :model AND length(vectors.vector) = :numbers"
        f"{among}"
        " ORDER BY nearness DESC, chunks.id LIMIT :limit"
    ).bindparams(bindparam("projects", expanding=True))
    values = {
        "vector": vector,
        "projects": list(project_ids),
        "model": model,
        "numbers": len(vector),
        "limit": limit,
    } | ({} if document_ids is None else {"documents": json.dumps(list(document_ids))})
    return [(row[0], row[1]) for row in connection.execute(statement, values)] if project_ids else []


def missing(connection: Connection, document_id: str, *, model: str, limit: int) -> list[int]:
    """Chunks of a document, in order, that have no vector of this model."""
    statement = (
        select(chunks.c.id)
        .outerjoin(vectors, (vectors.c.chunk_id == chunks.c.id) & (vectors.c.model == model))
        .where(chunks.c.document_id == document_id, vectors.c.chunk_id.is_(None))
        .order_by(chunks.c.ordinal)
        .limit(limit)
    )
    return list(connection.scalars(statement))


def counts(connection: Connection, *, model: str) -> Counts:
    """How far all documents are, for one model."""
    mine = vectors.c.model == model
    embedded = connection.scalar(select(func.count()).select_from(vectors).where(mine)) or 0
    cut, cut_tokens = connection.execute(
        select(func.count(), func.coalesce(func.sum(vectors.c.cut_tokens), 0)).where(mine, vectors.c.cut_tokens > 0)
    ).one()
    return Counts(connection.scalar(select(func.count()).select_from(chunks)) or 0, embedded, cut, cut_tokens)
