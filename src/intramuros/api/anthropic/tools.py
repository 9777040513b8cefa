"""The tools of a request and which of them must be called, as the completion task takes them. Called by `schemas`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intramuros.api.openai import fields
from intramuros.api.openai.fields import inside, words
from intramuros.api.openai.schemas import NAME
from intramuros.engines.schema import checked_schema
from intramuros.errors import BadRequest, kind_of

MOST = 128
USED = {"name", "description", "input_schema", "type", "strict", "allowed_callers"}
NOT_USED = ("cache_control", "input_examples", "defer_loading", "eager_input_streaming")
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def tools(value: Any, unused: list[str]) -> list[dict[str, Any]]:
    """The tools. Raises: BadRequest, also for those that run at Anthropic."""
    if not isinstance(value, list):
        raise BadRequest(f"'tools' must be a list, not {kind_of(value)}.", param="tools")
    if len(value) > MOST:
        raise BadRequest(f"'tools' has more than {MOST} entries.", param="tools")
    read = [_tool(tool, f"tools[{index}]", unused) for index, tool in enumerate(value)]
    if len({tool["function"]["name"] for tool in read}) < len(read):
        raise BadRequest("Two of the 'tools' have the same name.", param="tools")
    return read


def _tool(value: Any, path: str, unused: list[str]) -> dict[str, Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in (None, "custom"):
        raise fields.unsupported(f"{path}.type", "Only tools with an 'input_schema', which the caller runs, are here.")
    tool = inside(value, path, {*USED, *NOT_USED})
    for unneeded in NOT_USED:
        if tool.get(unneeded):
            unused += [unneeded] if unneeded == "cache_control" else [f"{path}.{unneeded}"]
    callers = tool.get("allowed_callers")
    if callers is not None and (not isinstance(callers, list) or "direct" not in callers):
        raise fields.unsupported(f"{path}.allowed_callers", "The model calls every tool directly.")
    name = tool.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadRequest(
            f"'{path}.name' must be 1 to 64 letters, digits, dots, hyphens or underscores.", param=f"{path}.name"
        )
    function: dict[str, Any] = {"name": name, "parameters": _schema(tool, path, unused)}
    if tool.get("description") is not None:
        function["description"] = words()(tool["description"], f"{path}.description")
    return {"type": "function", "function": function}


def _schema(tool: dict[str, Any], path: str, unused: list[str]) -> dict[str, Any]:
    """A schema that is none is refused for every tool, and one that a grammar can't hold to for strict ones."""
    path, foreign = f"{path}.input_schema", list[str]()
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(schema)}.", param=path)
    is_strict = tool.get("strict") is not None and fields.boolean(tool["strict"], "strict")
    try:
        checked_schema(schema, path, foreign=foreign)
    except BadRequest as error:
        if is_strict or error.code == "invalid_schema":
            raise
    unused += foreign
    return schema


def choice(value: Any, names: Sequence[str]) -> dict[str, Any]:
    """`tool_choice` and `parallel_tool_calls` of the request. Raises: BadRequest for a choice that can't be."""
    path = "tool_choice"
    asked = inside(value, path, {"type", "name", "disable_parallel_tool_use"})
    kind = fields.choice(*CHOICES, "tool")(asked.get("type"), f"{path}.type")
    only_one = asked.get("disable_parallel_tool_use")
    found: dict[str, Any] = {}
    if only_one is not None and fields.boolean(only_one, f"{path}.disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    if kind == "tool":
        name = asked.get("name")
        if name not in names:
            raise BadRequest(f"'{path}.name' must be the name of one of the 'tools'.", param=f"{path}.name")
        return found | {path: {"type": "function", "function": {"name": name}}}
    if kind == "any" and not names:
        raise BadRequest(f"'{path}' asks for a tool, but there are no 'tools'.", param=path)
    return found | {path: CHOICES[kind]} if names else {}
