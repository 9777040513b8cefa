"""Errors as OpenAI's clients read them: every error of the tree has a shape."""

from __future__ import annotations

import inspect

import orjson
import pytest

from intramuros import errors
from intramuros.api import errors as api_errors
from intramuros.api.openai.errors import error_body, error_event
from intramuros.errors import ContextOverflow, IntramurosError, NotSignedIn, TooMany

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, IntramurosError)]


@pytest.mark.parametrize("kind", TREE)
def test_every_error_has_both_shapes(kind: type[IntramurosError]) -> None:
    said = orjson.loads(error_body(kind("It happened.")))["error"]
    assert set(said) == {"message", "type", "param", "code"}
    assert said["message"].startswith("It happened.") and said["code"] and said["type"]
    assert (said["type"] == "server_error") == (kind.status >= 500 or kind.status == 409)
    assert orjson.loads(api_errors.error_body(kind("It happened.")))["error"]["code"] == kind.code


def test_codes_that_clients_look_for() -> None:
    assert orjson.loads(error_body(NotSignedIn()))["error"]["code"] == "invalid_api_key"
    assert orjson.loads(error_body(TooMany()))["error"]["code"] == "rate_limit_exceeded"
    assert orjson.loads(error_body(ContextOverflow()))["error"]["code"] == "context_length_exceeded"


def test_counts_and_the_field_come_with_it() -> None:
    said = orjson.loads(error_body(ContextOverflow("Too long.", prompt_tokens=9, param="messages")))["error"]
    assert said["prompt_tokens"] == 9 and said["param"] == "messages"


def test_what_is_not_plain_stays_here() -> None:
    said = orjson.loads(error_body(IntramurosError("It happened.", cause=ValueError("secret"), paths=["/etc"])))
    assert set(said["error"]) == {"message", "type", "param", "code"}


def test_an_event_is_one_line() -> None:
    event = error_event(IntramurosError("Deux\nlignes."))
    assert event.startswith(b"data: {") and event.endswith(b"}\n\n") and event.count(b"\n") == 2
