"""What the tools take and give, as JSON Schemas: told to clients, and held to by `tools`.

The words are for models. Plain data.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(description: str, *, longest: int | None = None) -> Schema:
    bounds = {} if longest is None else {"minLength": 1, "maxLength": longest}
    return {"type": "string", "description": description, **bounds}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


LONGEST_QUERY, LONGEST_QUESTION, LONGEST_NAME = 2000, 8000, 200
MOST_RESULTS, RESULTS = 50, 8
MOST_NEIGHBOURS, NEIGHBOURS = 5, 1

_PROJECT = _text("", longest=LONGEST_NAME)
_URI = _text("Address of the passage or page: read_passage takes it.")

SEARCH_INPUT = _object(
    {
        "query": _text("Words, a reference number, or a question, in the documents' language.", longest=LONGEST_QUERY),
        "project": _PROJECT | {"description": "A project's name or id. Left out: all that you may read."},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS, "default": RESULTS},
    },
    "query",
)
_PASSAGE = {
    "document": _text("The document's name."),
    "document_id": {"type": "string"},
    "project_id": {"type": "string"},
    "page": {"type": "integer"},
    "headings": _list({"type": "string"}),
    "text": {"type": "string"},
    "uri": _URI,
}
SEARCH_OUTPUT = _object(
    {
        "passages": _list(_object(_PASSAGE | {"score": {"type": "number"}}, *_PASSAGE, "score")),
        "lexical_only": {"type": "boolean", "description": "True where meaning should have been searched and was not."},
    },
    "passages",
    "lexical_only",
)

READ_INPUT = _object(
    {
        "uri": _text("Address of a passage, a page or a document, from search, ask or the resources.", longest=200),
        "neighbours": {
            "type": "integer",
            "minimum": 0,
            "maximum": MOST_NEIGHBOURS,
            "default": NEIGHBOURS,
            "description": "How many passages or pages before and after it to read as well.",
        },
    },
    "uri",
)
_PART = _object({"uri": _URI, "page": {"type": "integer"}, "text": {"type": "string"}}, "uri", "page", "text")
READ_OUTPUT = _object(
    {
        "document": {"type": "string"},
        "document_id": {"type": "string"},
        "project_id": {"type": "string"},
        "before": _list(_PART),
        "here": _PART,
        "after": _list(_PART),
    },
    *("document", "document_id", "project_id", "before", "here", "after"),
)

ASK_INPUT = _object(
    {
        "question": _text("The question, in the language of the answer.", longest=LONGEST_QUESTION),
        "project": _PROJECT | {"description": "A project's name or id. Needed where you may read several."},
    },
    "question",
)
_SOURCE = _object(
    {
        "number": {"type": ["integer", "null"]},
        "document": {"type": "string"},
        "document_id": {"type": "string"},
        "page": {"type": "integer"},
        "quote": {"type": "string"},
        "uri": _URI,
    },
    *("number", "document", "document_id", "page", "quote", "uri"),
)
ASK_OUTPUT = _object(
    {
        "answer": {"type": "string"},
        "supported": {"type": "boolean", "description": "False where a sentence says what its sources don't."},
        "mode": {"enum": ["quote", "write", "none"], "description": "none: the documents don't say."},
        "model": {"type": ["string", "null"]},
        "sources": _list(_SOURCE),
        "nearest": _list(_SOURCE),
        "unsupported": _list(_object({"text": {"type": "string"}, "reason": {"type": ["string", "null"]}}, "text")),
        "is_cut": {"type": "boolean"},
        "lexical_only": {"type": "boolean"},
    },
    *("answer", "supported", "mode", "model", "sources", "nearest", "unsupported", "is_cut", "lexical_only"),
)

PROJECTS_INPUT = _object({})
_PROJECT_OUT = _object(
    {"id": {"type": "string"}, "name": {"type": "string"}, "role": {"enum": ["reader", "contributor", "owner"]}},
    *("id", "name", "role"),
)
PROJECTS_OUTPUT = _object({"projects": _list(_PROJECT_OUT)}, "projects")
