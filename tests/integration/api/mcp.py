"""A client of `/mcp` for tests: messages as revision 2026-07-28 sends them, and as those with a handshake do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.asgi import Answer
from tests.installed import Installed

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
TYPES = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass(frozen=True)
class Host:
    """A host with somebody's key."""

    installed: Installed
    who: str | None = "bob"
    version: str = MODERN

    async def send(self, body: bytes, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """These bytes, with these headers besides the usual ones."""
        return await self.installed.client(self.who).call("POST", "/mcp", body, headers=TYPES | (headers or {}), **more)

    async def ask(
        self, method: str, *, headers: dict[str, str] | None = None, meta: Any = None, **params: Any
    ) -> Answer:
        """One request of this revision."""
        told: dict[str, Any] = meta or {}
        extra = {"mcp-protocol-version": self.version}
        if self.version == MODERN:
            told = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            } | told
            extra["mcp-method"] = method
            if (field := NAMED_BY.get(method)) and isinstance(params.get(field), str):
                extra["mcp-name"] = params[field]
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params | ({"_meta": told} if told else {})}
        return await self.send(json.dumps(message).encode(), extra | (headers or {}))

    async def tool(self, name: str, **arguments: Any) -> Any:
        """The result of a tool."""
        answer = await self.ask("tools/call", name=name, arguments=arguments)
        assert answer.status == 200, answer.body
        return said(answer)["result"]


def said(answer: Answer) -> Any:
    """The JSON-RPC message of an answer, whether it came alone or as the last of a stream."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        return json.loads(answer.events()[-1])
    return answer.json()
