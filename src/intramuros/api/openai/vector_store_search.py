"""`POST /v1/vector_stores/{store}/search`: the passages of a project, by words and, where it is worth it, by meaning.

Called by the router. Filters on attributes narrow the search before it ranks. A score says how near a passage comes to
the best one found: 1 is the best. Ours have no fixed scale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.projects import Project, Projects
from intramuros.api.body import flag, only, read_object, whole
from intramuros.api.openai.fields import not_used_header
from intramuros.api.openai.files import PREFIX as FILE
from intramuros.api.openai.store import store_of
from intramuros.api.openai.vector_store_files import TextPart
from intramuros.api.request import as_json, entry_of
from intramuros.documents.attached import AttachedFile, AttachedFiles, Attributes
from intramuros.errors import BadRequest, kind_of
from intramuros.retrieval.fuse import fused
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.search import Search

MOST_RESULTS, MOST_QUERIES, LONGEST_QUERY = 50, 8, 4096
MOST_DEEP = 8
RANKERS = ("none", "auto", "default-2024-11-15")

Fits = Callable[[Attributes], bool]


class SearchResult(TypedDict):
    """A passage that was found. `score`: 1 is the best that was found."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | float | bool]
    content: list[TextPart]
    page: int


class SearchPage(TypedDict):
    """The passages for one query, or for several together."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[SearchResult]
    has_more: bool
    next_page: None


class VectorStoreSearch:
    """The route."""

    def __init__(self, projects: Projects, files: AttachedFiles, search: Search) -> None:
        self.projects, self.files, self.passages = projects, files, search

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        return [Route("/v1/vector_stores/{store}/search", self.search, methods=["POST"])]

    async def search(self, request: Request) -> Response:
        """The best passages for one query, or for several together."""
        values = await read_object(request.receive)
        only(values, {"query", "filters", "max_num_results", "ranking_options", "rewrite_query"})
        queries, limit = _queries(values), whole(values, "max_num_results", default=10, low=1, high=MOST_RESULTS)
        fits = None if values.get("filters") is None else fitting(values["filters"])
        threshold, unused = _ranking(values)
        if flag(values, "rewrite_query"):
            unused.append("rewrite_query")
        project = await store_of(request, self.projects, need="reader")
        files = await asyncio.to_thread(self.files.list, project)
        found = await self._found(queries, project, files, fits, limit)
        entry_of(request).note(results=len(found))
        by_document: dict[str, AttachedFile] = {}
        for file in files:
            if file.document is not None and (fits is None or fits(file.attributes)):
                by_document.setdefault(file.document.id, file)
        best = found[0][1] if found and found[0][1] > 0 else 1.0
        data = [
            _result(passage, max(score, 0.0) / best, by_document[passage.document_id])
            for passage, score in found
            if passage.document_id in by_document and max(score, 0.0) / best >= threshold
        ]
        page = SearchPage(
            object="vector_store.search_results.page",
            search_query=list(queries),
            data=data,
            has_more=False,
            next_page=None,
        )
        return as_json(page, headers=not_used_header(unused))

    async def _found(
        self, queries: Sequence[str], project: Project, files: Sequence[AttachedFile], fits: Fits | None, limit: int
    ) -> list[tuple[Passage, float]]:
        among = None
        if fits is not None:
            among = sorted({f.document.id for f in files if f.document is not None and fits(f.attributes)})
        rankings = [
            (await self.passages.ask(query, projects=[project.id], limit=limit, among=among)).passages
            for query in queries
        ]
        if len(rankings) == 1:
            return [(passage, passage.score) for passage in rankings[0]]
        by_id = {passage.chunk_id: passage for ranking in rankings for passage in ranking}
        ranked = fused(([passage.chunk_id for passage in ranking], 1.0) for ranking in rankings)
        return [(by_id[chunk], score) for chunk, score in ranked[:limit]]


def fitting(filters: Any, path: str = "filters", depth: int = 0) -> Fits:
    """Tells whether attributes meet a filter; one that is missing meets only `ne` and `nin`. Raises: BadRequest."""
    if not isinstance(filters, dict) or depth > MOST_DEEP:
        raise BadRequest(f"'{path}' must be an object, at most {MOST_DEEP} deep.", param=path)
    kind = filters.get("type")
    if kind in ("and", "or"):
        only(filters, {"type", "filters"})
        inner = filters.get("filters")
        if not isinstance(inner, list) or not 1 <= len(inner) <= 100:
            raise BadRequest(f"'{path}.filters' must be a list of 1 to 100 filters.", param=f"{path}.filters")
        parts = [fitting(one, f"{path}.filters[{index}]", depth + 1) for index, one in enumerate(inner)]
        every = all if kind == "and" else any
        return lambda noted: every(part(noted) for part in parts)
    if not isinstance(kind, str) or kind not in _COMPARED:
        raise BadRequest(f"'{path}.type' must be and, or, {', '.join(_COMPARED)}.", param=f"{path}.type")
    only(filters, {"type", "key", "value"})
    key, value = filters.get("key"), filters.get("value")
    if not isinstance(key, str):
        raise BadRequest(f"'{path}.key' must be text, not {kind_of(key)}.", param=f"{path}.key")
    _check_value(kind, value, f"{path}.value")
    compared = _COMPARED[kind]
    return lambda noted: compared(noted.get(key), value)


def _check_value(kind: str, value: Any, path: str) -> None:
    if kind in {"in", "nin"}:
        if not isinstance(value, list) or len(value) > 1000 or not all(isinstance(v, str | int | float) for v in value):
            raise BadRequest(f"'{path}' must be a list of texts or numbers.", param=path)
    elif not isinstance(value, str | int | float):
        raise BadRequest(f"'{path}' must be text, a number, true or false, not {kind_of(value)}.", param=path)


def _same(held: Any, value: Any) -> bool:
    return isinstance(held, bool) == isinstance(value, bool) and held == value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Numbers with numbers, texts with texts; anything else is in no order."""

    def compared(held: Any, value: Any) -> bool:
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (held, value))
        texts = isinstance(held, str) and isinstance(value, str)
        return (numbers or texts) and compare(held, value)

    return compared


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "ne": lambda held, value: not _same(held, value),
    "gt": _ordered(lambda held, value: held > value),
    "gte": _ordered(lambda held, value: held >= value),
    "lt": _ordered(lambda held, value: held < value),
    "lte": _ordered(lambda held, value: held <= value),
    "in": lambda held, value: any(_same(held, one) for one in value),
    "nin": lambda held, value: not any(_same(held, one) for one in value),
}


def _queries(values: Mapping[str, Any]) -> list[str]:
    query = values.get("query")
    queries = [query] if isinstance(query, str) else query
    if not isinstance(queries, list) or not 1 <= len(queries) <= MOST_QUERIES:
        raise BadRequest(f"'query' must be a text or a list of 1 to {MOST_QUERIES} texts.", param="query")
    for one in queries:
        if not isinstance(one, str) or not one.strip() or len(one) > LONGEST_QUERY:
            raise BadRequest(f"A query must be a text of 1 to {LONGEST_QUERY} characters.", param="query")
    return queries


def _ranking(values: Mapping[str, Any]) -> tuple[float, list[str]]:
    """The least score, and what of the options changes nothing. Raises: BadRequest."""
    options = values.get("ranking_options")
    if options is None:
        return 0.0, []
    if not isinstance(options, dict):
        raise BadRequest(f"'ranking_options' must be an object, not {kind_of(options)}.", param="ranking_options")
    only(options, {"ranker", "score_threshold"})
    ranker, threshold = options.get("ranker"), options.get("score_threshold")
    if ranker is not None and ranker not in RANKERS:
        raise BadRequest(f"'ranking_options.ranker' must be one of {', '.join(RANKERS)}.", param="ranking_options")
    if threshold is None:
        threshold = 0.0
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise BadRequest("'ranking_options.score_threshold' must be between 0 and 1.", param="ranking_options")
    return float(threshold), ["ranking_options.ranker"] if ranker not in (None, "auto") else []


def _result(passage: Passage, score: float, file: AttachedFile) -> SearchResult:
    return {
        "file_id": FILE + file.id,
        "filename": passage.document,
        "score": round(min(score, 1.0), 6),
        "attributes": dict(file.attributes),
        "content": [{"type": "text", "text": passage.text}],
        "page": passage.page,
    }
