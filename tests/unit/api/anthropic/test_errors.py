"""Errors as Anthropic's clients read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from intramuros.api.anthropic.errors import error_event, error_object, request_id, status_of
from intramuros.api.faults import stopping
from intramuros.audit.entry import Entry
from intramuros.errors import (
    AuditUnavailable,
    BadRequest,
    Conflict,
    ContextOverflow,
    EngineDied,
    EngineTimeout,
    IntramurosError,
    ModelNotFound,
    ModelTooLarge,
    NotAllowed,
    NotSignedIn,
    QuotaReached,
    TooLarge,
    TooMany,
)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (BadRequest("x"), 400, "invalid_request_error"), (NotSignedIn(), 401, "authentication_error"),
        (NotAllowed(), 403, "permission_error"), (ModelNotFound(), 404, "not_found_error"),
        (Conflict(), 409, "invalid_request_error"), (TooLarge(), 413, "request_too_large"),
        (TooMany(), 429, "rate_limit_error"), (QuotaReached(), 429, "rate_limit_error"),
        (TooMany(code="queue_full", queue="yours"), 429, "rate_limit_error"),
        (TooMany(code="queue_full", queue="everyones"), 529, "overloaded_error"),
        (AuditUnavailable(), 529, "overloaded_error"), (stopping(), 529, "overloaded_error"),
        (IntramurosError(), 500, "api_error"), (EngineDied(), 502, "api_error"),
        (EngineTimeout(), 504, "timeout_error"), (ModelTooLarge(), 507, "api_error"),
    ],
)  # fmt: skip
def test_status_and_type(error: IntramurosError, status: int, kind: str) -> None:
    assert status_of(error) == status
    made = error_object(error, "req_1")
    assert made["type"] == "error" and made["request_id"] == "req_1"
    assert made["error"]["type"] == kind and made["error"]["message"] and made["error"]["code"] == error.code


def test_a_prompt_that_is_too_long_says_so_as_agents_expect_it_with_the_counts() -> None:
    error = error_object(ContextOverflow("x", prompt_tokens=9000, context_tokens=8192), "r")["error"]
    made: Mapping[str, Any] = error
    assert made["message"].startswith("prompt is too long: 9000 tokens > 8192 maximum.")
    assert (made["prompt_tokens"], made["context_tokens"]) == (9000, 8192)


def test_the_request_is_named_as_its_audit_record() -> None:
    entry = Entry("chat", None, "api")
    assert request_id({"state": {"entry": entry}}) == f"req_{entry.id}"
    assert request_id({}) != request_id({})


def test_the_event_of_a_stream() -> None:
    name, data, *rest = error_event(EngineDied(), "req_1").split(b"\n")
    assert name == b"event: error" and rest == [b"", b""]
    assert orjson.loads(data.removeprefix(b"data: "))["error"]["code"] == "engine_died"
