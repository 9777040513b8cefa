"""Bad and hostile messages to `/mcp`: the right JSON-RPC error for each, and never a fault of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.asgi import Client
from tests.installed import Installed, installation
from tests.integration.api.mcp import HANDSHAKE, MODERN, TYPES, Host

META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


def message(method: Any = "tools/list", **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method} | more).encode()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """One for all examples, whose background work does not run."""
    with installation(tmp_path_factory.mktemp("fuzz")) as made:
        yield made


BODIES = [
    (b"", -32700),
    (b"{", -32700),
    (b"\xff\xfe", -32700),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "x": NaN}', -32700),
    (b'{"a":' * 2000 + b"1" + b"}" * 2000, -32700),
    (b'{"a":' * 100 + b"1" + b"}" * 100, -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": [' + b"1," * 200_001 + b"1]}}", -32600),
    (b"[]", -32600),
    (b"[" + message() + b"," + message() + b"]", -32600),
    (b"null", -32600),
    (b'"ping"', -32600),
    (b"{}", -32600),
    (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
    (message(method=5), -32600),
    (message(method=None), -32600),
    (message(id=None), -32600),
    (message(id=1.5), -32600),
    (message(id=True), -32600),
    (message(id=[1]), -32600),
    (message(id=10**30), -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600),
    (message(params=[1]), -32602),
    (message(params=None), -32602),
    (message(params="x"), -32602),
]


@pytest.mark.parametrize(("body", "code"), BODIES, ids=[str(body[:40]) for body, _ in BODIES])
async def test_what_is_no_message(quiet: Installed, body: bytes, code: int) -> None:
    answer = await Host(quiet).send(body)
    assert answer.status == 400 and answer.json()["error"]["code"] == code
    assert answer.json()["jsonrpc"] == "2.0" and answer.json()["id"] is None
    assert quiet.records("mcp")[-1].outcome == "refused"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/list/", {}, -32601),
        ("TOOLS/LIST", {}, -32601),
        ("", {}, -32601),
        ("x" * 100_000, {}, -32601),
        ("tools/call", {}, -32602),
        ("tools/call", {"name": "rm"}, -32602),
        ("tools/call", {"name": ["search"]}, -32602),
        ("tools/call", {"name": "search", "arguments": ["x"]}, -32602),
        ("tools/call", {"name": "search", "arguments": "x"}, -32602),
        ("resources/read", {}, -32602),
        ("resources/read", {"uri": {"a": 1}}, -32602),
        ("prompts/get", {"name": 1}, -32602),
        ("logging/setLevel", {"level": "debug"}, -32601),
        ("sampling/createMessage", {}, -32601),
    ],
)
@pytest.mark.parametrize("version", [MODERN, HANDSHAKE])
async def test_what_no_method_takes(
    quiet: Installed, version: str, method: str, params: dict[str, Any], code: int
) -> None:
    answer = await Host(quiet, version=version).ask(method, **params)
    modern = {-32601: 404, -32602: 400}[code]
    assert answer.status == (modern if version == MODERN else 200)
    assert answer.json()["error"]["code"] == code and answer.json()["id"] == 7
    assert len(answer.body) < 1000


@pytest.mark.parametrize(
    ("headers", "meta", "code"),
    [
        ({"mcp-protocol-version": "1900-01-01"}, {}, -32022),
        ({"mcp-protocol-version": "x" * 5000}, {}, -32022),
        ({"mcp-protocol-version": MODERN}, {}, -32602),
        ({"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}, {"progressToken": 1}, -32602),
        ({"mcp-protocol-version": MODERN}, META, -32020),
        ({"mcp-protocol-version": MODERN, "mcp-method": "ping"}, META, -32020),
        ({"mcp-protocol-version": HANDSHAKE, "mcp-method": "tools/list"}, META, -32020),
        ({"mcp-method": "tools/list"}, META, -32020),
        ({"mcp-protocol-version": MODERN, "mcp-method": "=?base64?AAAA?="}, META, -32020),
        ({"mcp-protocol-version": MODERN, "mcp-method": "=?base64?!?="}, META, -32020),
        (
            {"mcp-protocol-version": "2031-01-01", "mcp-method": "tools/list"},
            META | {"io.modelcontextprotocol/protocolVersion": "2031-01-01"},
            -32022,
        ),
        (
            {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"},
            META | {"io.modelcontextprotocol/protocolVersion": [MODERN]},
            -32020,
        ),
    ],
)
async def test_headers_and_body_must_agree(
    quiet: Installed, headers: dict[str, str], meta: dict[str, Any], code: int
) -> None:
    answer = await Host(quiet).send(message(params={"_meta": meta}), headers)
    assert (answer.status, answer.json()["error"]["code"]) == (400, code)
    if code == -32022:
        assert answer.json()["error"]["data"]["supported"] == [MODERN]


async def test_a_name_that_is_not_plain_comes_in_base64(quiet: Installed) -> None:
    body = message("tools/call", params={"name": "list_projects", "_meta": META})
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call"}
    packed = "=?base64?bGlzdF9wcm9qZWN0cw==?="
    assert (await Host(quiet).send(body, headers | {"mcp-name": packed})).status == 200
    assert (await Host(quiet).send(body, headers | {"mcp-name": "search"})).json()["error"]["code"] == -32020
    assert (await Host(quiet).send(body, headers)).json()["error"]["code"] == -32020


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:6274"}, 403),
        ({"origin": "http://localhost:8777"}, 200),
        ({"host": "evil.example"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"accept": "text/html"}, 406),
        ({"accept": "*/*"}, 200),
    ],
)
async def test_where_it_comes_from_and_what_it_takes(quiet: Installed, headers: dict[str, str], status: int) -> None:
    answer = await Host(quiet).send(message(), headers)
    assert answer.status == status
    if status != 200:
        assert answer.json()["error"]["message"] and answer.json()["id"] is None


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])
async def test_nothing_but_post(quiet: Installed, method: str) -> None:
    """There is no stream to listen to and no session to end; 405 says so to clients that try."""
    answer = await quiet.client("bob").call(method, "/mcp", headers={"accept": "text/event-stream"})
    assert answer.status == 405
    if method in {"GET", "DELETE"}:
        assert answer.headers["allow"] == "POST" and answer.body == b""


async def test_a_session_in_the_browser_is_no_way_in_from_another_site(quiet: Installed) -> None:
    client = Client(quiet.guard, cookie=f"intramuros_session={quiet.sessions['bob']}")
    answer = await client.call("POST", "/mcp", message(), headers=TYPES | {"origin": "https://evil.example"})
    assert answer.status == 403


@pytest.mark.parametrize("body", [b'{"jsonrpc": "2.0", "method": "%s"}' % name for name in (b"notifications/x", b"y")])
async def test_a_notification_wants_no_answer(quiet: Installed, body: bytes) -> None:
    for headers in ({}, {"mcp-protocol-version": MODERN}, {"mcp-protocol-version": HANDSHAKE}):
        answer = await Host(quiet).send(body, headers)
        assert answer.status == 202 and answer.body == b""
    assert (await Host(quiet).send(body, {"mcp-protocol-version": "1"})).status == 400


NAMES = ["initialize", "ping", "server/discover", "tools/list", "tools/call", "resources/list", "resources/read",
         "resources/templates/list", "prompts/list", "prompts/get", "notifications/initialized"]  # fmt: skip
KEYS = ["name", "arguments", "uri", "cursor", "_meta", "query", "question", "project", "limit", "neighbours",
        "protocolVersion", "progressToken", *META]  # fmt: skip
WORDS = ["search", "ask", "read_passage", "list_projects", "answer_from_documents", MODERN, HANDSHAKE,
         "intramuros://projects/AAAAAAAAAAAAAAAA/documents/AAAAAAAAAAAAAAAA/pages/999999999", "\x00", "🦊"]  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
PARAMS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | LEAVES, "method": st.sampled_from(NAMES) | LEAVES},
    optional={"id": LEAVES, "params": PARAMS | JSON},
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "mcp-protocol-version": st.sampled_from([MODERN, HANDSHAKE, "2025-03-26", "x"]),
        "mcp-method": st.sampled_from(NAMES),
        "mcp-name": st.sampled_from(WORDS[:6]),
        "mcp-session-id": st.sampled_from(WORDS[:6]),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=MESSAGES | JSON, headers=HEADERS)
async def test_no_message_is_a_fault_of_ours(quiet: Installed, value: Any, headers: dict[str, str]) -> None:
    answer = await Host(quiet).send(json.dumps(value).encode(), headers)
    assert answer.status in {200, 202, 400, 404}, answer.body
    if answer.status == 202:
        assert answer.body == b"" and "id" not in value
        return
    told = answer.json()
    assert told["jsonrpc"] == "2.0" and ("result" in told) != ("error" in told)
    if "error" in told:
        assert told["error"]["code"] in {-32700, -32600, -32601, -32602, -32002, -32020, -32022}, told


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200))
async def test_no_bytes_are_a_fault_of_ours(quiet: Installed, body: bytes) -> None:
    assert (await Host(quiet).send(body)).status in {200, 202, 400}
