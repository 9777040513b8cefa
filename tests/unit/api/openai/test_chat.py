"""The chat route: replies, streams, errors before and in the middle, clients that leave."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import LOCAL
from intramuros.api.connected import ClientGone
from intramuros.api.openai.chat import ChatCompletions
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, ContextOverflow, EngineDied, IntramurosError
from intramuros.observability.metrics import Metrics
from intramuros.tasks.complete import CompleteTask
from tests.asgi import Answer, Client, soon
from tests.scripted import USAGE, ScriptedEngine, ScriptedPool, chunk

HELLO: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}
STREAM = HELLO | {"stream": True}


class Route:
    """The route with an entry in its scope, as the guard gives it; keeps what it raised."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.route = ChatCompletions(CompleteTask(pool=ScriptedPool(engine), metrics=Metrics()))
        self.entry = Entry("chat", None, "api")
        self.raised: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] |= {"entry": self.entry, "caller": LOCAL}
        try:
            await self.route(scope, receive, send)
        except (Exception, asyncio.CancelledError) as error:
            self.raised = error


async def ask(engine: ScriptedEngine, request: Any, **more: Any) -> tuple[Answer, Route]:
    route = Route(engine)
    return await soon(Client(route).post("/v1/chat/completions", request, **more)), route


async def test_a_reply() -> None:
    answer, _ = await ask(ScriptedEngine(), HELLO | {"user": "u1"})
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["x-intramuros-not-used"] == "user"
    assert answer.json()["choices"][0]["message"]["content"] == "Bonjour, monde"


async def test_a_stream_is_events_of_the_engines_bytes() -> None:
    answer, _ = await ask(ScriptedEngine(), STREAM)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
    pieces = [chunk("Bonjour"), chunk(", "), chunk("monde")]
    assert answer.body == b"".join(b"data: " + piece + b"\n\n" for piece in pieces) + b"data: [DONE]\n\n"
    assert answer.is_complete


async def test_usage_in_a_stream() -> None:
    answer, _ = await ask(ScriptedEngine(), STREAM | {"stream_options": {"include_usage": True}})
    *_, last, done = answer.events()
    assert orjson.loads(last)["usage"] == USAGE and done == "[DONE]"


@pytest.mark.parametrize("request_", [HELLO, STREAM])
async def test_an_error_before_the_first_byte_goes_to_the_guard(request_: dict[str, Any]) -> None:
    answer, route = await ask(ScriptedEngine(error=ContextOverflow("Too long.")), request_)
    assert answer.status == 0
    assert isinstance(route.raised, ContextOverflow)


@pytest.mark.parametrize("error", [EngineDied(), ValueError("mot de passe")])
async def test_an_error_in_the_middle_is_one_event_and_the_end(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    answer, route = await ask(ScriptedEngine(error=error, error_after=1), STREAM)
    *_, last = answer.events()
    assert answer.status == 200 and answer.is_complete
    said = orjson.loads(last)["error"]
    assert said["type"] == "server_error" and said["message"]
    assert "[DONE]" not in answer.body.decode() and "mot de passe" not in answer.body.decode() + caplog.text
    assert isinstance(route.raised, IntramurosError), "the guard has to record it"
    assert said["code"] == route.raised.code
    assert isinstance(error, EngineDied) or said["reference"] in caplog.text


@pytest.mark.parametrize("request_", [HELLO, STREAM])
async def test_a_client_that_leaves_stops_the_engine(request_: dict[str, Any]) -> None:
    engine, gone = ScriptedEngine(hangs=True), asyncio.Event()
    route = Route(engine)
    call = asyncio.create_task(Client(route).post("/v1/chat/completions", request_, gone=gone))
    await asyncio.sleep(0.01)
    assert engine.asked and not call.done()
    gone.set()
    await soon(call)
    assert isinstance(route.raised, ClientGone), route.raised
    assert engine.cancelled == 1 and engine.running == 0
    assert route.route.task.admission.inside == 0


async def test_a_stream_stopped_with_the_server_says_so() -> None:
    engine = ScriptedEngine(hangs=True)
    route = Route(engine)
    call = asyncio.create_task(Client(route).post("/v1/chat/completions", STREAM))
    while not engine.running:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    call.cancel()
    answer = await call
    assert orjson.loads(answer.events()[-1])["error"]["code"] == "server_stopping"
    assert answer.is_complete and engine.running == 0
    assert isinstance(route.raised, asyncio.CancelledError)


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"model": 1}', b'{"messages": []}'])
async def test_a_body_that_is_none_never_reaches_the_engine(body: bytes) -> None:
    engine = ScriptedEngine()
    route = Route(engine)
    await Client(route).call("POST", "/v1/chat/completions", body)
    assert isinstance(route.raised, BadRequest | IntramurosError) and engine.asked == []
