"""The tools of a response: functions of the program, and the search of projects. Called by `request`.

A tool that nothing here can do is refused with the reason: an answer without it would not be the one asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.api.openai import fields, schemas
from intramuros.api.openai.fields import inside, number, unsupported, whole, words
from intramuros.api.openai.store import PREFIX as STORE
from intramuros.api.openai.vector_store_search import Fits, fitting
from intramuros.errors import BadRequest, kind_of

MOST_STORES = 16
MOST_RESULTS, RESULTS = 50, 8
"""Passages at most, and where a request does not say: as many as a small model has room for."""
RANKERS = ("none", "auto", "default-2024-11-15")

_REASONS = {
    "web_search": "This server does not search the web.",
    "web_search_preview": "This server does not search the web.",
    "code_interpreter": "This server runs no code of models.",
    "computer": "This server works no computer for models.",
    "computer_use_preview": "This server works no computer for models.",
    "mcp": "This server connects to no other for a model. Call it yourself, as a function.",
    "image_generation": "Nothing that draws is installed.",
    "local_shell": "This server runs no commands of models.",
    "shell": "This server runs no commands of models.",
    "apply_patch": "Make it a function of yours.",
    "custom": "Make it a function: its arguments keep to a schema.",
    "tool_search": "Send the tools themselves.",
    "namespace": "Send the functions themselves.",
}


@dataclass(frozen=True, slots=True)
class FileSearch:
    """Which projects to search, and for how many passages."""

    projects: tuple[str, ...]
    limit: int = RESULTS
    threshold: float = 0.0
    fits: Fits | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What came as `tools`: as they go back, the functions as a chat has them, and the search."""

    shown: tuple[dict[str, Any], ...] = ()
    functions: tuple[dict[str, Any], ...] = ()
    search: FileSearch | None = None


def tools(value: Any, path: str, hints: list[str]) -> Tools:
    """All of them. Raises: BadRequest."""
    if not isinstance(value, list):
        raise BadRequest(f"'{path}' must be a list, not {kind_of(value)}.", param=path)
    if len(value) > 128:
        raise BadRequest(f"'{path}' must have 0 to 128 entries.", param=path)
    shown, functions, search = [], [], None
    for index, one in enumerate(value):
        place = f"{path}[{index}]"
        kind = one.get("type") if isinstance(one, dict) else None
        if kind == "function":
            functions.append(_function(one, place, hints))
            shown.append(_shown(one))
        elif kind == "file_search":
            if search is not None:
                raise BadRequest(f"'{path}' has two searches: name all stores in one.", param=place)
            search = _search(one, place, hints)
            shown.append(one)
        else:
            raise _refused(kind, place)
    return Tools(tuple(shown), tuple(functions), search)


def chosen(value: Any, path: str, some: Tools, *, most_calls: int | None) -> tuple[dict[str, Any], FileSearch | None]:
    """What `tool_choice` leaves: the fields of a chat about tools, and the search. Raises: BadRequest."""
    functions, search, mode = list(some.functions), some.search, value
    if isinstance(value, dict):
        kind = value.get("type")
        if kind == "function":
            wanted = schemas.name(inside(value, path, {"type", "name"}).get("name"), f"{path}.name")
            mode, search = {"type": "function", "function": {"name": wanted}}, None
        elif kind == "file_search":
            inside(value, path, {"type"})
            if search is None:
                raise BadRequest(f"'{path}' asks for a search that is not in 'tools'.", param=path)
            mode, functions = "none", []
        elif kind == "allowed_tools":
            functions, search = _allowed(value, path, some)
            mode = value["mode"]
        else:
            raise _refused(kind, path)
    elif value not in (None, "none", "auto", "required"):
        raise BadRequest(f"'{path}' must be 'none', 'auto', 'required' or an object.", param=path)
    if mode == "none" and not isinstance(value, dict):
        search = None
    if most_calls == 0:
        search = None
    if mode == "required" and search is not None:  # the search is the call that was required
        mode = "auto" if functions else None
    request: dict[str, Any] = {"tools": functions} if functions else {}
    if mode is not None and (functions or mode not in ("auto", "none")):
        request["tool_choice"] = mode
    return request, search


def _allowed(value: dict[str, Any], path: str, some: Tools) -> tuple[list[dict[str, Any]], FileSearch | None]:
    allowed = inside(value, path, {"type", "mode", "tools"})
    fields.choice("auto", "required")(allowed.get("mode"), f"{path}.mode")
    wanted, searches = set(), False
    for index, one in enumerate(
        fields.several(lambda tool, _: tool, 128, least=1)(allowed.get("tools"), f"{path}.tools")
    ):
        kind = one.get("type") if isinstance(one, dict) else None
        if kind == "function":
            wanted.add(schemas.name(one.get("name"), f"{path}.tools[{index}].name"))
        elif kind == "file_search" and some.search is not None:
            searches = True
        else:
            raise BadRequest(f"'{path}' allows a tool that is not in 'tools'.", param=path)
    functions = [tool for tool in some.functions if tool["function"]["name"] in wanted]
    if {tool["function"]["name"] for tool in functions} != wanted:
        raise BadRequest(f"'{path}' allows a function that is not in 'tools'.", param=path)
    return functions, some.search if searches else None


def _function(value: dict[str, Any], path: str, hints: list[str]) -> dict[str, Any]:
    known = {"type", "name", "description", "parameters", "strict"}
    more = {"allowed_callers", "async", "defer_loading", "output_schema"}
    inside(value, path, known | more)
    if value.get("async") or value.get("defer_loading"):
        name = "async" if value.get("async") else "defer_loading"
        raise unsupported(f"{path}.{name}", "A function is there from the beginning, and its call ends the answer.")
    if value.get("allowed_callers") not in (None, ["direct"]):
        raise unsupported(f"{path}.allowed_callers", "The model calls functions itself.")
    if value.get("output_schema") is not None:
        hints.append(f"{path}.output_schema")
    function = schemas.function({name: value[name] for name in known - {"type"} if name in value}, path)
    schemas.check_parameters(function, path, hints)
    return {"type": "function", "function": function}


def _shown(value: dict[str, Any]) -> dict[str, Any]:
    return {"description": None, "parameters": None, "strict": False, **value}


def _search(value: dict[str, Any], path: str, hints: list[str]) -> FileSearch:
    inside(value, path, {"type", "vector_store_ids", "filters", "max_num_results", "ranking_options"})
    ids = fields.several(words(80, shortest=1), MOST_STORES, least=1)(
        value.get("vector_store_ids"), f"{path}.vector_store_ids"
    )
    for index, one in enumerate(ids):
        if not one.startswith(STORE):
            place = f"{path}.vector_store_ids[{index}]"
            raise BadRequest(f"'{place}' must be the id of a vector store: 'vs_…'.", param=place)
    limit = value.get("max_num_results")
    limit = RESULTS if limit is None else whole(1, MOST_RESULTS)(limit, f"{path}.max_num_results")
    return FileSearch(
        tuple(dict.fromkeys(one.removeprefix(STORE) for one in ids)),
        limit,
        _threshold(value.get("ranking_options"), f"{path}.ranking_options", hints),
        None if value.get("filters") is None else fitting(value["filters"], f"{path}.filters"),
    )


def _threshold(value: Any, path: str, hints: list[str]) -> float:
    if value is None:
        return 0.0
    options: Mapping[str, Any] = inside(value, path, {"ranker", "score_threshold", "hybrid_search"})
    if options.get("ranker") is not None:
        fields.choice(*RANKERS)(options["ranker"], f"{path}.ranker")
        if options["ranker"] != "auto":
            hints.append(f"{path}.ranker")
    if options.get("hybrid_search") is not None:
        hints.append(f"{path}.hybrid_search")
    threshold = options.get("score_threshold")
    return 0.0 if threshold is None else float(number(0, 1)(threshold, f"{path}.score_threshold"))


def _refused(kind: Any, path: str) -> BadRequest:
    reason = "Functions and file_search are there."
    if isinstance(kind, str):
        exact = kind if kind in _REASONS else next((one for one in _REASONS if kind.startswith(f"{one}_")), "")
        reason = f"{_REASONS[exact]} {reason}" if exact else reason
    return BadRequest(f"'{path}' is a tool that is not here. {reason}", code="unsupported_tool", param=f"{path}.type")
