"""What the Anthropic door makes of requests that nobody should send: an error in its own shape, never a fault of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intramuros.accounts.rights import Rights
from intramuros.api.anthropic.contents import BLOCKS
from intramuros.api.anthropic.schemas import COUNT_FIELDS, FIELDS
from intramuros.errors import EngineDied, NoBackEnd, TooMany
from tests.asgi import Answer, Client
from tests.installed import Installed, installation
from tests.scripted import ScriptedEngine

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Bonjour"}]
VERSION = {"anthropic-version": "2023-06-01"}
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
GOOD: dict[str, dict[str, Any]] = {
    MESSAGES: {"model": "default", "messages": HELLO, "max_tokens": 5},
    COUNT: {"model": "default", "messages": HELLO},
}
PNG = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d4948445200000004000000040802000000")).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installed]:
    with installation(tmp_path_factory.mktemp("anthropic")) as made:
        async with made.app.running():
            yield made


def is_error(answer: Answer, kind: str = "invalid_request_error") -> bool:
    value = answer.json()
    assert answer.headers["request-id"] == value["request_id"]
    return value["type"] == "error" and value["error"]["type"] == kind and bool(value["error"]["message"])


async def post(installed: Installed, value: Any, path: str = MESSAGES) -> Answer:
    return await installed.client("alice").post(path, value, headers=VERSION)


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"model": "\xff\xfe"}', b'{"max_tokens": NaN}', b"[" * 100_000, b'{"model":' * 50_000,
        b'{"messages":' + b"[" * 70 + b"]" * 70 + b"}", b'{"messages": [' + b"0," * 250_000 + b"0]}", b'{"model": "\\ud800"}',
    ],
    ids=["empty", "cut", "list", "null", "not utf-8", "nan", "deep list", "deep object", "deep field", "giant", "half a pair"],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_request(installed: Installed, path: str, body: bytes) -> None:
    answer = await installed.client("alice").call("POST", path, body, headers=VERSION)
    assert answer.status == 400 and is_error(answer), answer.body[:300]


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.asyncio(loop_scope="module")
async def test_unknown_fields_and_missing_ones_are_named(installed: Installed, path: str) -> None:
    unknown = await post(installed, GOOD[path] | {"temprature": 1}, path)
    assert unknown.status == 400 and "'temprature'" in unknown.json()["error"]["message"]
    for name in GOOD[path]:
        missing = await post(installed, {key: held for key, held in GOOD[path].items() if key != name}, path)
        assert missing.json()["error"]["param"] == name
        bad: list[Any] = [True, 3.5, {"a": {}}, [[]]]
        for wrong in bad:
            assert (await post(installed, GOOD[path] | {name: wrong}, path)).status == 400, (name, wrong)


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("version", [None, "", "2023", "2099-01-01"])
@pytest.mark.asyncio(loop_scope="module")
async def test_the_version_is_required(installed: Installed, path: str, version: str | None) -> None:
    headers = {} if version is None else {"anthropic-version": version}
    answer = await installed.client("alice").post(path, GOOD[path], headers=headers)
    assert answer.status == 400 and is_error(answer) and "anthropic-version" in answer.json()["error"]["message"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_in_either_header_and_none_that_is_not_good(installed: Installed) -> None:
    key = installed.keys["alice"]
    for headers in ({"x_api_key": key}, {"authorization": f"Bearer {key}"}):
        assert (await Client(installed.guard, **headers).post(MESSAGES, GOOD[MESSAGES], headers=VERSION)).status == 200
    for headers in (
        {},
        {"x_api_key": "imk_wrong"},
        {"authorization": "Bearer x"},
        {"authorization": "x", "x_api_key": key},
    ):
        answer = await Client(installed.guard, **headers).post(MESSAGES, GOOD[MESSAGES], headers=VERSION)
        assert answer.status == 401 and is_error(answer, "authentication_error"), headers
    person = installed.app.users.by_email("alice@firm.example")
    assert person is not None
    narrow, _ = installed.app.api_keys.create("x", person.id, rights=Rights(scopes=frozenset({"privacy"})))
    for path in (*GOOD, "/v1/messages/batches"):
        answer = await Client(installed.guard, x_api_key=narrow).post(path, {}, headers=VERSION)
        assert answer.status == 403 and is_error(answer, "permission_error"), path


@pytest.mark.asyncio(loop_scope="module")
async def test_other_refusals_have_their_type_and_status(installed: Installed) -> None:
    unknown = await post(installed, GOOD[MESSAGES] | {"model": "claude-opus"})
    assert unknown.status == 404 and is_error(unknown, "not_found_error")
    length = str(installed.app.settings.request_mib * 2**20 + 1)
    large = await installed.client("alice").call("POST", MESSAGES, b"{}", headers=VERSION | {"content-length": length})
    assert large.status == 413 and is_error(large, "request_too_large")
    installed.engine.error = TooMany(code="queue_full", queue="everyones", retry_after_s=7)
    try:
        busy = await post(installed, GOOD[MESSAGES])
    finally:
        installed.engine.error = None
    assert busy.status == 529 and is_error(busy, "overloaded_error") and busy.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("media", "data", "code"),
    [
        ("image/png", PNG, "unsupported_content"), ("image/jpeg", PNG, "invalid_image"), ("image/svg+xml", "PHN2Zy8+", "bad_request"),
        ("image/png", base64.b64encode(b"MZ" + bytes(90)).decode(), "invalid_image"), ("image/png", "%%%", "invalid_image"),
        ("image/png", "", "invalid_image"), ("image/png", 3, "bad_request"),
    ],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_images_that_lie_and_a_model_that_does_not_see(
    installed: Installed, media: str, data: Any, code: str
) -> None:
    source = {"type": "base64", "media_type": media, "data": data}
    image = [{"type": "image", "source": source}]
    seen = len(installed.engine.asked)
    answer = await post(installed, GOOD[MESSAGES] | {"messages": [{"role": "user", "content": image}]})
    assert answer.status == 400 and answer.json()["error"]["code"] == code, answer.body
    assert len(installed.engine.asked) == seen


@pytest.mark.asyncio(loop_scope="module")
async def test_an_engine_that_can_not_count_has_it_estimated(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def can_not(*_: object) -> int:
        raise NoBackEnd("This engine does not count.")

    monkeypatch.setattr(ScriptedEngine, "prompt_tokens", can_not)
    answer = await post(installed, GOOD[COUNT], COUNT)
    assert answer.status == 200 and answer.headers["x-intramuros-estimated"] == "input_tokens"


@pytest.mark.asyncio(loop_scope="module")
async def test_an_engine_that_dies_in_a_stream_ends_it_with_an_error(installed: Installed) -> None:
    installed.engine.error, installed.engine.error_after = EngineDied(), 2
    try:
        answer = await post(installed, GOOD[MESSAGES] | {"stream": True})
        before = await post(installed, GOOD[MESSAGES])
    finally:
        installed.engine.error, installed.engine.error_after = None, 0
    *_, name, data = answer.body.decode().strip().split("\n")
    error = json.loads(data.removeprefix("data: "))
    assert answer.status == 200 and name == "event: error" and error["error"]["type"] == "api_error"
    assert error["request_id"] == answer.headers["request-id"] and b"message_stop" not in answer.body
    assert before.status == 502 and is_error(before, "api_error")
    record = installed.records("chat")[-2]
    assert error["request_id"] == f"req_{record.id}"


leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)  # fmt: skip
names = sorted(
    {"type", "role", "content", "source", "name", "schema", *(name for kind in BLOCKS.values() for name in kind)}
)
said = st.sampled_from([*BLOCKS, "user", "assistant", "base64", "image/png", "auto", "any", "tool", "json_schema", "enabled", PNG])  # fmt: skip
anything = st.recursive(
    leaves | said,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(names) | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
blocks = st.sampled_from(sorted(BLOCKS)).flatmap(
    lambda kind: st.fixed_dictionaries({"type": st.just(kind)}, optional=dict.fromkeys(sorted(BLOCKS[kind]), anything))
)
turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": anything | st.lists(blocks, max_size=3)}),
    max_size=4,
)  # fmt: skip
asked = st.sampled_from(sorted(GOOD)).flatmap(
    lambda path: st.tuples(
        st.just(path),
        st.dictionaries(
            st.sampled_from(sorted((FIELDS if path == MESSAGES else COUNT_FIELDS).names)) | st.text(max_size=5), anything, max_size=4
        ),
        st.none() | turns,
    )
)  # fmt: skip


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_request_is_a_fault_of_ours(installed: Installed, sent: tuple[str, dict[str, Any], Any]) -> None:
    path, fields, messages = sent
    answer = await post(installed, GOOD[path] | fields | ({} if messages is None else {"messages": messages}), path)
    assert answer.status < 500, answer.body
    assert answer.status == 200 or answer.json()["type"] == "error", json.dumps(fields)
