"""Every door with consent to a model outside: what the server there was sent, byte by byte, holds nobody's data."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from intramuros.engines.route import Route
from intramuros.engines.upstream import Upstream
from tests.asgi import Answer
from tests.integration.api.mcp import Host, said
from tests.integration.api.test_projects import added, ready
from tests.support.gateway import WRITER, Gateway, gateway
from tests.support.upstream_server import USAGE, Call, UpstreamServer, says, upstream_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME, IBAN, AVS = "Jean Dupont", "CH93 0076 2011 6238 5295 7", "756.9217.0769.85"
FILE, UNKNOWN = "Lettre_Jean_Dupont.pdf", "zsombor-qx.md"
SAID = f"Le loyer de M. {NAME} ({IBAN}), selon {FILE}"
LETTER = f"# Bail\n\nM. {NAME} paie un loyer de 900 francs à {IBAN}. Le préavis est de six mois.\n"
VALUES = (NAME, "Dupont", "Jean", IBAN, IBAN[5:], AVS, "7569217076985", FILE, UNKNOWN, "zsombor")
OUT = {"x-intramuros-outside": "allow"}
MODEL = "cloud/m"
QUESTION = f"Quel loyer paie M. {NAME} à {IBAN} selon {FILE} ?"
PNG = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d4948445200000004000000040802000000")).decode()

ARGUMENTS = {"who": NAME, "avs": 7569217076985}
SCHEMA = {"type": "object", "properties": {"model": {"const": NAME}, "avs": {"enum": [7569217076985]}}}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": SAID},
    {"role": "user", "content": [{"type": "text", "text": f"loyer {IBAN[:12]}"}, {"type": "text", "text": IBAN[12:]}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": json.dumps(ARGUMENTS)}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": f"{NAME}, AVS {AVS}, {FILE}"},
]
OPENAI = {
    "model": MODEL,
    "messages": CHAT,
    "tools": [{"type": "function", "function": {"name": "look", "description": SAID, "parameters": SCHEMA}}],
}
TALK = [{"role": "user", "content": SAID}, {"role": "assistant", "content": f"{NAME}, AVS {AVS}, {FILE}"}]
OLLAMA = {
    "model": MODEL,
    "stream": False,
    "messages": [
        {"role": "user", "content": SAID},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": ARGUMENTS}}]},
        {"role": "tool", "tool_name": "look", "content": f"{NAME}, AVS {AVS}, {FILE}"},
    ],
}
ANTHROPIC = {
    "model": MODEL,
    "max_tokens": 20,
    "system": SAID,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": SAID}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": ARGUMENTS}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": f"{NAME}, AVS {AVS}, {FILE}"}],
        },
    ],
    "tools": [{"name": "look", "description": SAID, "input_schema": SCHEMA}],
}
VERSION = {"anthropic-version": "2023-06-01"}


async def behave(call: Call) -> None:
    """Answers every kind of request as servers of models do."""
    if call.path.endswith("/embeddings"):
        data = [{"index": index, "embedding": [0.5, 0.5]} for index, _ in enumerate(call.body["input"])]
        await call.json({"data": data, "model": "m", "usage": USAGE})
    elif call.path.endswith("/rerank"):
        results = [{"index": index, "relevance_score": 0.5} for index, _ in enumerate(call.body["documents"])]
        await call.json({"results": results, "usage": USAGE})
    elif call.body.get("stream"):
        await says("Le loyer", " est de 900 francs [1].")(call)
    else:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
        await call.json({"id": "1", "object": "chat.completion", "created": 1, "choices": [choice], "usage": USAGE})


@dataclass
class Place:
    """The installation, the server outside, and a project with a letter whose name no list of names knows."""

    gateway: Gateway
    outside: UpstreamServer
    project: str

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self.gateway.client().post(path, body, headers=OUT | headers)

    async def tool(self, name: str, **arguments: Any) -> Answer:
        host = Host(self.gateway, "alice")  # type: ignore[arg-type]
        return await host.ask("tools/call", headers=OUT, name=name, arguments=arguments)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("intramuros.models.installed.trust_of", lambda *_, **__: "drafts")  # or it would only quote
    with gateway(tmp_path_factory.mktemp("leaves")) as running:
        monkeypatch.undo()
        app = running.app
        async with app.running(), upstream_server(behave) as server:
            app.router.lets_outside = True
            app.router.routing.add(Upstream("cloud", server.url, is_outside=True, models=("m",)))
            app.router.routing.set(Route.of({"name": WRITER, "targets": [MODEL]}))
            alice = running.client()
            project = (await alice.post("/api/v1/projects", {"name": "Baux"})).json()["id"]
            await added(alice, project, (UNKNOWN, LETTER.encode()))
            assert [one["state"] for one in await ready(alice, project)] == ["ready"]
            yield Place(running, server, project)


@pytest.fixture
def place(made: Place) -> Place:
    made.outside.calls.clear()
    return made


def search(place: Place) -> dict[str, Any]:
    return {"tools": [{"type": "file_search", "vector_store_ids": [f"vs_{place.project}"]}]}


LEAVING = {
    "openai chat": lambda p: p.post("/v1/chat/completions", OPENAI),
    "openai chat stream": lambda p: p.post("/v1/chat/completions", OPENAI | {"stream": True}),
    "openai responses": lambda p: p.post("/v1/responses", {"model": MODEL, "input": QUESTION} | search(p)),
    "openai compact": lambda p: p.post("/v1/responses/compact", {"model": MODEL, "input": TALK}),
    "openai embeddings": lambda p: p.post("/v1/embeddings", {"model": MODEL, "input": [SAID, f"loyer AVS {AVS}"]}),
    "openai rerank": lambda p: p.post("/v1/rerank", {"model": MODEL, "query": SAID, "documents": [SAID, LETTER]}),
    "openai responses stream": lambda p: p.post(
        "/v1/responses", {"model": MODEL, "input": QUESTION, "stream": True} | search(p)
    ),
    "openai moderations": lambda p: p.post("/v1/moderations", {"model": MODEL, "input": [SAID]}),
    "ollama chat": lambda p: p.post("/api/chat", OLLAMA),
    "ollama chat stream": lambda p: p.post("/api/chat", OLLAMA | {"stream": True}),
    "ollama generate": lambda p: p.post(
        "/api/generate", {"model": MODEL, "prompt": SAID, "system": SAID, "stream": False}
    ),
    "ollama embed": lambda p: p.post("/api/embed", {"model": MODEL, "input": [SAID]}),
    "anthropic messages": lambda p: p.post("/v1/messages", ANTHROPIC, **VERSION),
    "anthropic messages stream": lambda p: p.post("/v1/messages", ANTHROPIC | {"stream": True}, **VERSION),
    "mcp ask": lambda p: p.tool("ask", question=QUESTION),
    "ask": lambda p: p.post(f"/api/v1/projects/{p.project}/ask", {"question": QUESTION, "mode": "write"}),
}
READS_SOURCES = {"openai responses", "mcp ask", "ask"}


@pytest.mark.parametrize("door", LEAVING)
async def test_what_a_server_outside_is_sent(place: Place, door: str) -> None:
    answer = await LEAVING[door](place)
    judged = door == "openai moderations" and answer.status == 503  # what stands in for the model is no judge
    assert answer.status == 200 or judged, answer.body
    assert place.outside.calls and "loyer" in place.outside.wire and "⟦" in place.outside.wire
    if door in READS_SOURCES:
        assert "900 francs" in place.outside.wire and "⟦DOCUMENT_" in place.outside.wire
    for value in VALUES:
        assert value not in place.outside.wire, value


STAYING = {
    "openai completions": lambda p: p.post("/v1/completions", {"model": MODEL, "prompt": SAID}),
    "ollama raw": lambda p: p.post("/api/generate", {"model": MODEL, "prompt": SAID, "raw": True}),
    "anthropic count": lambda p: p.post(
        "/v1/messages/count_tokens", {"model": MODEL, "messages": ANTHROPIC["messages"]}, **VERSION
    ),
    "openai input tokens": lambda p: p.post("/v1/responses/input_tokens", {"model": MODEL, "input": [*TALK]}),
    "mcp search": lambda p: p.tool("search", query=QUESTION),
    "search": lambda p: p.post(f"/api/v1/projects/{p.project}/search", {"query": QUESTION}),
    "quotes": lambda p: p.post(f"/api/v1/projects/{p.project}/ask", {"question": QUESTION, "mode": "quote"}),
}


@pytest.mark.parametrize("door", STAYING)
async def test_what_never_goes_outside(place: Place, door: str) -> None:
    answer = await STAYING[door](place)
    assert answer.status in {200, 400}, answer.body
    assert not place.outside.calls, place.outside.wire


async def test_a_batch_never_goes_outside(place: Place) -> None:
    """Nobody is there who could agree: each line is refused, whatever was agreed to when it was sent."""
    asked = {name: value for name, value in ANTHROPIC.items() if name != "stream"}
    sent = await place.post("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": asked}]}, **VERSION)
    assert sent.status == 200, sent.body
    client, path = place.gateway.client(), f"/v1/messages/batches/{sent.json()['id']}"
    async with asyncio.timeout(30):
        while (await client.call("GET", path, headers=VERSION)).json()["processing_status"] != "ended":
            await asyncio.sleep(0.02)
    results = await client.call("GET", f"{path}/results", headers=VERSION)
    assert results.json()["result"]["type"] == "errored" and b"outside" in results.body, results.body
    assert not place.outside.calls, place.outside.wire


URL = {"url": f"data:image/png;base64,{PNG}"}
IMAGES = {
    "openai chat": lambda p: p.post(
        "/v1/chat/completions",
        {"model": MODEL, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": URL}]}]},
    ),
    "openai responses": lambda p: p.post(
        "/v1/responses",
        {
            "model": MODEL,
            "input": [{"role": "user", "content": [{"type": "input_image", "image_url": URL["url"]}]}],
        },
    ),
    "ollama chat": lambda p: p.post(
        "/api/chat", {"model": MODEL, "messages": [{"role": "user", "content": "x", "images": [PNG]}]}
    ),
    "anthropic messages": lambda p: p.post(
        "/v1/messages",
        {
            "model": MODEL,
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
                    ],
                }
            ],
        },
        **VERSION,
    ),
}


@pytest.mark.parametrize("door", IMAGES)
async def test_an_image_is_refused(place: Place, door: str) -> None:
    answer = await IMAGES[door](place)
    assert answer.status == 400 and "can't be sent outside" in answer.body.decode(), answer.body
    assert not place.outside.calls


@pytest.mark.parametrize("door", ["mcp search", "mcp ask"])
async def test_what_a_host_outside_is_given(place: Place, door: str) -> None:
    answer = await (STAYING | LEAVING)[door](place)
    assert (
        answer.status == 200
        and "900 francs" in answer.body.decode()
        and "⟦" in json.dumps(said(answer), ensure_ascii=False)
    )
    for value in VALUES:
        assert value not in json.dumps(said(answer), ensure_ascii=False), value


async def test_without_consent_nothing_is_sent(place: Place) -> None:
    answer = await place.gateway.client().post("/v1/chat/completions", OPENAI)
    assert answer.status == 403 and not place.outside.calls


@pytest.mark.parametrize(("door", "asked"), [("anthropic count", ANTHROPIC["messages"]), ("openai input tokens", TALK)])
async def test_tokens_of_a_model_outside_are_estimated_and_it_says_so(place: Place, door: str, asked: Any) -> None:
    answer = await STAYING[door](place)
    assert answer.status == 200 and answer.headers["x-intramuros-estimated"] == "input_tokens"
    words = len(json.dumps(asked, ensure_ascii=False))
    assert words / 8 < answer.json()["input_tokens"] < words
