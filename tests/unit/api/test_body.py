"""JSON from anyone: whatever comes in, an object or one clear error comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from intramuros.api.body import MAX_DEPTH, MAX_VALUES, flag, only, parse_object, read_body, text, whole
from intramuros.api.connected import ClientGone
from intramuros.errors import BadRequest

HOSTILE = {
    "empty": b"",
    "not JSON": b"{'a': 1}",
    "cut off": b'{"a": [1, 2',
    "text after it": b"{} {}",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": 1e999}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "nested lists": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested a little too deep": b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "nested objects": b'{"a": ' * 5000 + b"1" + b"}" * 5000,
    "too many values": json.dumps({"a": [0] * (MAX_VALUES + 1)}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_refused(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_object(HOSTILE[name])
    assert refused.value.code == "invalid_json"


def test_the_message_names_the_place_and_not_the_content() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_object(b'{"messages": [{"content": "mot de passe secret" }]')
    assert "column" in refused.value.message and "secret" not in refused.value.message


def test_an_honest_body_of_a_long_conversation_passes() -> None:
    value = {"messages": [{"role": "user", "content": "x" * 100}] * 5000, "schema": {"a": {"b": {"c": [1]}}}}
    assert parse_object(json.dumps(value).encode()) == value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_bad_request(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except BadRequest:
        pass


def arriving(*messages: Message) -> Any:
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0)

    return receive


async def test_a_body_in_parts_is_put_together() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c"},
    ]
    assert await read_body(arriving(*parts)) == b"abc"


@pytest.mark.parametrize("parts_before", [0, 1])
async def test_a_client_that_leaves_during_its_body_is_gone(parts_before: int) -> None:
    part: Message = {"type": "http.request", "body": b"{}", "more_body": True}
    with pytest.raises(ClientGone):
        await read_body(arriving(*[part] * parts_before, {"type": "http.disconnect"}))


@pytest.mark.parametrize("value", [None, 3, "", "   ", ["a"], "x" * 11])
def test_text_that_is_none(value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        text({"q": value}, "q", longest=10)
    assert refused.value.details["param"] == "q"


@pytest.mark.parametrize("value", [True, "3", 1.0, 0, 11])
def test_a_number_out_of_place(value: object) -> None:
    with pytest.raises(BadRequest):
        whole({"n": value}, "n", default=5, low=1, high=10)


def test_fields_left_out_have_their_defaults() -> None:
    assert whole({}, "n", default=5, low=1, high=10) == 5
    assert flag({}, "f") is False
    with pytest.raises(BadRequest):
        flag({"f": 1}, "f")


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(BadRequest) as refused:
        only({"q": 1, "qq": 2}, {"q"})
    assert refused.value.details["param"] == "qq"


@pytest.mark.parametrize("value", ["", "  \n"])
def test_a_text_with_nothing_in_it_is_called_empty(value: str) -> None:
    with pytest.raises(BadRequest, match="must not be empty"):
        text({"q": value}, "q")
