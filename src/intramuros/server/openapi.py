"""The OpenAPI document of the routes for programs, made from the access table and the doors' tables of fields.

Called by `scripts/make_reference.py`, which writes it to docs/reference, and by the compatibility count, which has it
fuzzed. Names and kinds of fields come from what reads them; where only names are here, what a field may hold is said
by the doors themselves, in their READMEs and their refusals. What is answered comes from `server.answers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intramuros.api import (
    ask,
    break_glass,
    erasing,
    groups,
    people,
    presets,
    privacy,
    projects,
    quotas,
    sharing,
    upstreams,
)
from intramuros.api.anthropic import schemas as anthropic
from intramuros.api.described import Described
from intramuros.api.ollama import creating, embedding, models, pulling
from intramuros.api.ollama.calls import CHAT, GENERATE
from intramuros.api.openai import audio, batches, completions, embeddings, images, moderations
from intramuros.api.openai import schemas as openai
from intramuros.api.openai.fields import TEXT, Fields
from intramuros.api.openai.notes import PAIRS
from intramuros.api.openai.responses import request as responses
from intramuros.api.shapes import Shape
from intramuros.server.access import RULES
from intramuros.server.answers import ANSWERS, errors_at
from intramuros.server.rule import Access, Body, Rule, is_for_programs

FIELDS: Mapping[str, Fields] = {
    "/v1/chat/completions": openai.FIELDS,
    "/v1/responses": responses.FIELDS,
    "/v1/responses/input_tokens": responses.COUNTED,
    "/v1/responses/compact": responses.COMPACTED,
    "/v1/completions": completions.FIELDS,
    "/v1/embeddings": embeddings.EMBEDDING_FIELDS,
    "/v1/rerank": embeddings.RERANK_FIELDS,
    "/v1/moderations": moderations.FIELDS,
    "/v1/audio/speech": audio.SPEECH,
    "/v1/images/generations": images.GENERATION,
    "/v1/messages": anthropic.FIELDS,
    "/v1/messages/count_tokens": anthropic.COUNT_FIELDS,
}
NAMES: Mapping[str, Iterable[str]] = {
    "/api/chat": CHAT,
    "/api/generate": GENERATE,
    "/api/embed": {"model", "name", "input", "dimensions", *embedding.SHARED},
    "/api/embeddings": {"model", "name", "prompt", *embedding.SHARED},
    "/api/show": {"model", "name", *models.SHOWN},
    "/api/create": {"model", "name", *creating.KNOWN},
    "/api/copy": creating.COPIED,
    "/api/pull": {"model", "name", *pulling.KNOWN},
    "/v1/batches": batches.FIELDS,
    "/v1/messages/batches": ("requests",),
    "/v1/conversations": ("items", "metadata"),
    "/v1/conversations/{dialogue}": ("metadata",),
    "/v1/conversations/{dialogue}/items": ("items",),
    "/v1/chat/completions/{completion}": ("metadata",),
    "/v1/vector_stores": ("name", "description", "metadata", "file_ids", "chunking_strategy", "expires_after"),
    "/v1/vector_stores/{store}": ("name", "metadata", "expires_after"),
    "/v1/vector_stores/{store}/search": ("query", "filters", "max_num_results", "ranking_options", "rewrite_query"),
    "/v1/vector_stores/{store}/files": ("file_id", "attributes", "chunking_strategy"),
    "/v1/vector_stores/{store}/files/{file}": ("attributes",),
    "/v1/vector_stores/{store}/file_batches": ("file_ids", "files", "attributes", "chunking_strategy"),
    "/mcp": ("jsonrpc", "id", "method", "params"),
}
"""A test asks each of these routes what it makes of each name, and of one that is not here."""
_TEXTS = {"type": "array", "items": {"type": "string"}}
_OBJECT = {"type": ["object", "null"]}
_OBJECTS = {"type": "array", "items": {"type": "object"}}
NAMED: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("model", "source", "destination", "from", "endpoint", "input_file_id", "file_id", "method"), TEXT),
    **dict.fromkeys(("requests", "items"), _OBJECTS),
    "completion_window": {"const": batches.WINDOW},
    "metadata": {"anyOf": [PAIRS, {"type": "null"}]},
    "chunking_strategy": {
        "type": ["object", "null"],
        "properties": {"type": {"enum": ["auto", "static"]}},
        "required": ["type"],
    },
    **dict.fromkeys(("attributes", "options", "filters", "ranking_options", "expires_after"), _OBJECT),
    **{name: {"type": ["boolean", "null"]} for name in ("stream", "truncate", "rewrite_query", "verbose")},
    **{name: {"type": ["string", "null"]} for name in ("prompt", "system", "description")},
    **{name: {"anyOf": [TEXT, {**_TEXTS, "minItems": 1}]} for name in ("query", "input")},
    "file_ids": {"anyOf": [_TEXTS, {"type": "null"}]},
    "max_num_results": {"type": ["integer", "null"], "minimum": 1, "maximum": 50},
    "dimensions": {"type": ["integer", "null"], "minimum": 1},
    "keep_alive": {"anyOf": [{"type": "number"}, {"enum": ["10m", "1h30m"]}, {"type": "string"}, {"type": "null"}]},
    "jsonrpc": {"const": "2.0"},
}
"""What a field of one of these names is wherever it stands."""
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "/api/chat": ("model",),
    "/api/generate": ("model",),
    "/api/embed": ("model", "input"),
    "/api/embeddings": ("model", "prompt"),
    "/api/show": ("model",),
    "/api/create": ("model",),
    "/api/copy": ("source", "destination"),
    "/api/pull": ("model",),
    "/v1/batches": ("input_file_id", "endpoint", "completion_window"),
    "/v1/messages/batches": ("requests",),
    "/v1/conversations/{dialogue}": ("metadata",),
    "/v1/conversations/{dialogue}/items": ("items",),
    "/v1/chat/completions/{completion}": ("metadata",),
    "/v1/vector_stores/{store}/search": ("query",),
    "/v1/vector_stores/{store}/files": ("file_id",),
    "/v1/vector_stores/{store}/files/{file}": ("attributes",),
    "/mcp": ("jsonrpc", "method"),
}
SHAPES: Mapping[tuple[str, str], Shape] = {
    ("POST", "/api/v1/projects"): projects.NEW,
    ("POST", "/api/v1/projects/{project}/search"): projects.SEARCH,
    ("POST", "/api/v1/projects/{project}/ask"): ask.ASKED,
    ("PUT", "/api/v1/projects/{project}/members/{user}"): sharing.ROLE,
    ("PUT", "/api/v1/projects/{project}/groups/{group}"): sharing.ROLE,
    ("PUT", "/api/v1/projects/{project}/retention"): erasing.KEPT,
    ("POST", "/api/v1/users"): people.NEW,
    ("POST", "/api/v1/invitations"): people.INVITED,
    ("PUT", "/api/v1/users/{user}/role"): people.ROLE,
    ("POST", "/api/v1/users/{user}/search"): people.SEARCH,
    ("POST", "/api/v1/groups"): groups.NEW,
    ("PATCH", "/api/v1/groups/{group}"): groups.CHANGED,
    ("PUT", "/api/v1/quotas/{kind}/{subject}"): quotas.LIMITS,
    ("POST", "/api/v1/presets"): presets.NEW,
    ("PATCH", "/api/v1/presets/{preset:path}"): presets.CHANGED,
    ("POST", "/api/v1/break-glass"): break_glass.BEGUN,
    ("POST", "/api/v1/upstreams"): upstreams.NEW,
    ("PATCH", "/api/v1/upstreams/{upstream}"): upstreams.CHANGED,
    ("POST", "/api/v1/upstreams/{upstream}/test"): upstreams.TRIED,
    ("POST", "/api/v1/upstreams/{upstream}/rename"): upstreams.RENAMED,
    ("POST", "/api/v1/upstreams/{upstream}/consents"): upstreams.AGREED,
    ("POST", "/api/v1/upstreams/{upstream}/consents/withdraw"): upstreams.AGREED,
    ("PUT", "/api/v1/routes/{route:path}"): upstreams.PLAN,
    ("POST", "/api/v1/routes/{route:path}/rename"): upstreams.RENAMED,
    ("POST", "/privacy/v1/redact"): privacy.REDACTED,
    ("POST", "/privacy/v1/restore"): privacy.RESTORED,
}
"""What reads these bodies: the document says the very same."""
BODILESS = re.compile(r"/api/push$|/(cancel|suspend|resume|reset-factor|sign-out|end)$|/groups/{group}/members/{user}$")
"""Routes whose address says all, or that refuse whatever comes: a body is not looked at."""
FORMS = frozenset({
    "/v1/files", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations",
})  # fmt: skip
PAGE = ("limit", "order", "after", "before", "include[]", "filter", "purpose", "model")
"""What a query may ask of a list or of something stored."""
_HOLDERS = re.compile(r"{(\w+)(?::\w+)?}")


def document(rules: Sequence[Rule] = RULES, *, version: str) -> dict[str, Any]:
    """The whole document. Source: the OpenAPI Specification 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    described = Described()
    for rule in rules:
        if is_for_programs(rule.path):
            paths.setdefault(_HOLDERS.sub(r"{\1}", rule.path), {})[rule.method.lower()] = _operation(rule, described)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Intramuros", "version": version},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": _errors(rules, described),
            "schemas": described.schemas,
        },
        "paths": dict(sorted(paths.items())),
    }


def _operation(rule: Rule, described: Described) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _HOLDERS.findall(rule.path)
    ]
    if rule.method == "GET" and rule.path.startswith("/v1/"):
        parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in PAGE]
    scope = rule.scope.value
    found: dict[str, Any] = {
        "summary": rule.action,
        "description": f"For {rule.access.value}; a key needs: {scope}.",
        "parameters": parameters,
        "responses": _responses(rule, described),
    }
    if rule.access is not Access.PUBLIC:
        found["security"] = [{"key": []}]
    if rule.method in {"POST", "PUT", "PATCH"} and not BODILESS.search(rule.path):
        found["requestBody"] = {"required": True, "content": _content(rule)}
    return found


def _responses(rule: Rule, described: Described) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (answers := ANSWERS.get((rule.method, rule.path))) is not None:
        content = answers.content(described)
        found[str(answers.status)] = {"description": "The answer."} | ({"content": content} if content else {})
        if answers.empty is not None:
            found[str(answers.empty)] = {"description": "Nothing is answered to this."}
    return found | {"default": {"$ref": f"#/components/responses/{_error_name(errors_at(rule.path))}"}}


def _errors(rules: Sequence[Rule], described: Described) -> dict[str, Any]:
    """The errors of all doors, each said once."""
    found = {}
    for kinds in {tuple(errors_at(rule.path)) for rule in rules if is_for_programs(rule.path)}:
        shapes = [described.of(kind) for kind in kinds]
        shape = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        said = {"description": "An error.", "content": {"application/json": {"schema": shape}}}
        found[_error_name(kinds)] = said
    return dict(sorted(found.items()))


def _error_name(kinds: Iterable[Any]) -> str:
    return "Or".join(kind.__name__.removesuffix("Object") for kind in kinds)


def _content(rule: Rule) -> dict[str, Any]:
    if rule.path in FORMS or (rule.body is Body.UPLOAD and rule.path not in FIELDS and rule.path not in NAMES):
        parts = {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}
        parts["purpose"] = parts["model"] = {"type": "string"}
        return {"multipart/form-data": {"schema": {"type": "object", "properties": parts}}}
    if rule.body is Body.MODEL:
        return {"application/octet-stream": {"schema": {}}}
    if (shape := SHAPES.get((rule.method, rule.path))) is not None:
        return {"application/json": {"schema": shape.schema}}
    if (table := FIELDS.get(rule.path)) is not None:
        return {"application/json": {"schema": table.schema}}
    properties = {name: NAMED.get(name, {}) for name in sorted(NAMES.get(rule.path, ()))}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required := REQUIRED.get(rule.path):
        schema["required"] = list(required)
    return {"application/json": {"schema": schema}}
