"""`POST /api/chat` and `POST /api/generate`: answers by the completion task, in lines or whole.

Plain ASGI applications. A request without messages or prompt only loads its model, or with `keep_alive` 0 unloads it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.ollama.answers import Said, whole
from intramuros.api.ollama.calls import Call, chat, generate
from intramuros.api.ollama.names import Names
from intramuros.api.ollama.sending import send_lines
from intramuros.api.openai.fields import Headers, not_used
from intramuros.api.openai.sending import send_json
from intramuros.audit.entry import Entry
from intramuros.engines.pool import EnginePool
from intramuros.errors import BadRequest
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.continuing import ContinueTask, Wanted


@dataclass(frozen=True, slots=True)
class Generating:
    """What both routes do. `scope["state"]` holds the audit `entry` that the guard opened."""

    continuing: ContinueTask
    pool: EnginePool
    names: Names

    @property
    def task(self) -> CompleteTask:
        """What completes chats."""
        return self.continuing.complete

    async def chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request of `/api/chat`."""
        await self._answer(chat, scope, receive, send)

    async def generate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request of `/api/generate`."""
        await self._answer(generate, scope, receive, send)

    async def _answer(
        self, read: Callable[[Mapping[str, Any]], Call], scope: Scope, receive: Receive, send: Send
    ) -> None:
        call = read(await read_object(receive))
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        call = self._ready(call, by)
        pieces = self._pieces(call, by, entry) if call.request else self._loaded(call, by, entry)
        async with while_connected(receive):
            if call.stream:
                await send_lines(send, pieces, headers=lambda: self._headers(call, entry))
            else:
                async with aclosing(pieces):
                    made = [piece async for piece in pieces]
                await send_json(send, whole(made), headers=self._headers(call, entry))

    def _ready(self, call: Call, by: Caller) -> Call:
        """The call with the name its model has here, and with what makes the model think or not."""
        request = call.request
        if request is None:
            return call
        name = self.names.known(call.name, by)
        return replace(call, request={**request, "model": name, **self._thinking(call.think, name, by)})

    def _thinking(self, think: bool | str | None, name: str, by: Caller) -> dict[str, Any]:
        """What tells the model's template how much to think. Raises: BadRequest where it has no word of it."""
        if think is None:
            return {}
        if not self.task.weighs_effort(self.task.model_of(name, by)):
            if think is False:
                return {}
            raise BadRequest(
                "This model does not think aloud: its chat template has no word of it.",
                hint="Leave 'think' out.",
                code="unsupported_parameter",
                param="think",
            )
        effort = {"reasoning_effort": think} if isinstance(think, str) else {}
        return {"chat_template_kwargs": {**effort, "enable_thinking": think is not False}}

    async def _pieces(self, call: Call, by: Caller, entry: Entry) -> AsyncGenerator[dict[str, Any]]:
        assert call.request is not None
        said = Said(call.name, is_chat=call.is_chat)
        if "prompt" in call.request:
            sampled = {name: value for name, value in call.request.items() if name != "prompt"}
            wanted = Wanted(sampled, [call.request["prompt"]], suffix=call.suffix or None)
            stream = self.continuing.stream(wanted, by=by, entry=entry, with_usage=True)
        else:
            stream = self.task.stream(call.request, by=by, entry=entry, with_usage=True)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                for piece in said.take(orjson.loads(chunk)):
                    yield piece
        await kept(self.pool, call.keep_alive_s, entry)
        for piece in said.end(entry.facts):
            yield piece

    async def _loaded(self, call: Call, by: Caller, entry: Entry) -> AsyncGenerator[dict[str, Any]]:
        """Loads the model, or unloads it. Raises: Conflict for one that is in use."""
        said = Said(call.name, is_chat=call.is_chat)
        request = self.task.resolved({"model": self.names.known(call.name, by)}, by, entry)
        name = request["model"]
        self.task.check_model(name, by)
        if call.keep_alive_s == 0:
            await self.pool.unload(name)
            entry.note(model=self.task.named(name))
            yield said.only("unload")
            return
        async with self.task.pool.engine(name) as engine:
            entry.note(model=engine.model)
        await kept(self.pool, call.keep_alive_s, entry)
        yield said.only("load")

    def _headers(self, call: Call, entry: Entry) -> Headers:
        """Says what was of no use: also a wish to have more read at once than this engine was loaded for."""
        names = list(call.not_used)
        state = self.pool.states().get(str(entry.facts.get("model", "")))
        if state is not None and call.context_tokens > state.health.context_tokens > 0:
            names.append("options.num_ctx")
        return not_used(names)


async def kept(pool: EnginePool, keep_alive_s: float | None, entry: Entry) -> None:
    """Has the model that answered stay loaded for as long as its client wants, if it is one of this machine."""
    model = str(entry.facts.get("model", ""))
    if keep_alive_s is not None and model in pool.states():
        await pool.load(model, keep_alive_s=keep_alive_s)
