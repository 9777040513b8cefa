"""What the suites name and no server has: made on the spot, and put in the place of the made-up name.

Called by the relay. A thing is made afresh where the case changes or deletes it; what is only read is made once.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from benchmarks.compat.names import EMBEDDER, WRITER, Asked

WORDS = b"The castle wall is twelve metres high. The gate is closed at ten in the evening."
LINE = {"custom_id": "one", "method": "POST"}
BODIES: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": WRITER,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 4,
    },
    "/v1/responses": {"model": WRITER, "input": "Hello", "max_output_tokens": 4},
    "/v1/completions": {"model": WRITER, "prompt": "Hello", "max_tokens": 4},
    "/v1/embeddings": {"model": EMBEDDER, "input": "Hello"},
}
READ_S = 60
PLACES = ("after", "before", "after_id", "before_id")

Maker = Callable[["Prepared", list[str]], Awaitable[None]]


class Prepared:
    """Makes things on the server at `url`, as whoever has `key`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session, self._url = session, url
        self._headers = {"Authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
        self._store: tuple[str, str] | None = None
        self._making = asyncio.Lock()

    async def ask(self, method: str, path: str, body: Any = None, *, form: aiohttp.FormData | None = None) -> Any:
        """One request of our own."""
        sent: dict[str, Any] = {"data": form} if form is not None else {"json": body} if body is not None else {}
        async with self._session.request(method, self._url + path, headers=self._headers, **sent) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status} {(await answer.text())[:300]}")
            return await answer.json()

    async def openai(self, asked: Asked) -> Asked:
        """The request, for things that are there."""
        path, _, query = asked.path.partition("?")
        parts = path.strip("/").split("/")
        for pattern, make in MAKERS:
            if re.match(pattern, path):
                await make(self, parts)
                break
        path = "/" + "/".join(parts)
        body = await self._body(asked.body, path) if asked.body and asked.method == "POST" else asked.body
        if query:
            query = await self._query(path, query)
        return asked.changed(path=path + (f"?{query}" if query else ""), body=body)

    async def file(self, content: bytes = WORDS, *, purpose: str = "user_data", name: str = "castle.txt") -> str:
        """A file."""
        form = aiohttp.FormData({"purpose": purpose})
        form.add_field("file", content, filename=name)
        return str((await self.ask("POST", "/v1/files", form=form))["id"])

    async def store(self) -> tuple[str, str]:
        """A vector store with one file in it: both ids."""
        file = await self.file()
        return str((await self.ask("POST", "/v1/vector_stores", {"name": "Castle", "file_ids": [file]}))["id"]), file

    async def read_store(self) -> tuple[str, str]:
        """The one that is only read; its file has been, too."""
        async with self._making:
            if self._store is None:
                store, file = await self.store()
                end = time.monotonic() + READ_S
                path = f"/v1/vector_stores/{store}/files/{file}"
                while (await self.ask("GET", path))["status"] != "completed" and time.monotonic() < end:
                    await asyncio.sleep(0.1)
                self._store = store, file
        return self._store

    async def batch(self) -> str:
        """A batch of one line."""
        endpoint = "/v1/chat/completions"
        file = await self._lines(endpoint)
        wanted = {"input_file_id": file, "endpoint": endpoint, "completion_window": "24h"}
        return str((await self.ask("POST", "/v1/batches", wanted))["id"])

    async def completion(self) -> str:
        """A stored chat completion. The client's type of a stored message knows no role but this."""
        said = [{"role": "assistant", "content": "Hello"}]
        asked = {"model": WRITER, "messages": said, "max_tokens": 4, "store": True, "metadata": {"foo": "string"}}
        return str((await self.ask("POST", "/v1/chat/completions", asked))["id"])

    async def response(self) -> str:
        """A response in the background."""
        asked = {"model": WRITER, "input": "Hello", "max_output_tokens": 4, "background": True}
        return str((await self.ask("POST", "/v1/responses", asked))["id"])

    async def answered(self) -> str:
        """A response that is there, to go on from."""
        return str((await self.ask("POST", "/v1/responses", BODIES["/v1/responses"]))["id"])

    async def message_batch(self, *, lasts: bool = False) -> str:
        """A batch of Anthropic's messages, at its end or far from it."""
        params = {"model": WRITER, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
        asked = {"requests": [{"custom_id": str(n), "params": params} for n in range(500 if lasts else 1)]}
        made = str((await self.ask("POST", "/v1/messages/batches", asked))["id"])
        end = time.monotonic() + READ_S
        path = f"/v1/messages/batches/{made}"
        while not lasts and (await self.ask("GET", path))["processing_status"] != "ended" and time.monotonic() < end:
            await asyncio.sleep(0.1)
        return made

    async def conversation(self) -> tuple[str, str]:
        """A conversation with one message: both ids."""
        items = [{"type": "message", "role": "user", "content": "Hello"}]
        made = str((await self.ask("POST", "/v1/conversations", {"items": items}))["id"])
        listed = await self.ask("GET", f"/v1/conversations/{made}/items")
        return made, str(listed["data"][0]["id"])

    async def _lines(self, endpoint: str) -> str:
        line = {**LINE, "url": endpoint, "body": BODIES[endpoint]}
        return await self.file(orjson.dumps(line), purpose="batch", name="lines.jsonl")

    async def _body(self, body: bytes, path: str) -> bytes:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return body
        if not isinstance(value, dict):
            return body
        if path == "/v1/responses/compact" and "previous_response_id" in value:
            value["previous_response_id"] = await self.answered()
        if path == "/v1/batches" and value.get("endpoint") in BODIES:
            value["input_file_id"] = await self._lines(value["endpoint"])
        if path.startswith("/v1/vector_stores"):
            if "file_id" in value:
                value["file_id"] = await self.file()
            if value.get("file_ids"):
                value["file_ids"] = [await self.file() for _ in value["file_ids"]]
            for one in value.get("files") or ():
                one["file_id"] = await self.file()
        return orjson.dumps(value)

    async def _query(self, path: str, query: str) -> str:
        """Places in a list, for the made-up ones: after its first entry, before its last."""
        pairs = [tuple(part.partition("=")[::2]) for part in query.split("&")]
        if not any(name == value and name in PLACES for name, value in pairs):
            return query
        if path == "/v1/messages/batches":
            await self.message_batch()
        if path == "/v1/chat/completions":
            await self.completion()
        named = [(name, "user_data" if name == value == "purpose" else value) for name, value in pairs]
        named = [(name, WRITER if name == value == "model" else value) for name, value in named]
        if path == "/v1/files":
            await self.file()
        if path == "/v1/batches":
            await self.batch()
        kept = [pair for pair in named if pair[0] not in {*PLACES, "limit", "filter"}]
        there = (await self.ask("GET", f"{path}?{urlencode(kept, safe='[]%')}"))["data"]
        places = {name: there[-1 if "before" in name else 0]["id"] for name in PLACES} if there else {}
        return "&".join(f"{name}={places.get(name, value) if name == value else value}" for name, value in named)


async def _file(of: Prepared, parts: list[str]) -> None:
    parts[2] = await of.file()


async def _batch(of: Prepared, parts: list[str]) -> None:
    parts[2] = await of.batch()


async def _read_store(of: Prepared, parts: list[str]) -> None:
    parts[2], _ = await of.read_store()


async def _store(of: Prepared, parts: list[str]) -> None:
    parts[2], _ = await of.store()


async def _stored_file(of: Prepared, parts: list[str]) -> None:
    parts[2], parts[4] = await of.store()


async def _file_batch(of: Prepared, parts: list[str]) -> None:
    parts[2], _ = await of.read_store()
    made = await of.ask("POST", f"/v1/vector_stores/{parts[2]}/file_batches", {"file_ids": [await of.file()]})
    parts[4] = str(made["id"])


async def _message_batch(of: Prepared, parts: list[str]) -> None:
    parts[3] = await of.message_batch(lasts=parts[-1] == "cancel")


async def _completion(of: Prepared, parts: list[str]) -> None:
    parts[3] = await of.completion()


async def _response(of: Prepared, parts: list[str]) -> None:
    parts[2] = await of.response()


async def _item(of: Prepared, parts: list[str]) -> None:
    parts[2], item = await of.conversation()
    if len(parts) > 4:
        parts[4] = item


MAKERS: tuple[tuple[str, Maker], ...] = (
    (r"/v1/files/.", _file),
    (r"/v1/batches/.", _batch),
    (r"/v1/messages/batches/.", _message_batch),
    (r"/v1/vector_stores/[^/]+/(files$|file_batches$|search$)", _read_store),
    (r"/v1/vector_stores/[^/]+/files/", _stored_file),
    (r"/v1/vector_stores/[^/]+/file_batches/", _file_batch),
    (r"/v1/vector_stores/.", _store),
    (r"/v1/chat/completions/.", _completion),
    (r"/v1/responses/(?!input_tokens|compact)", _response),
    (r"/v1/conversations/.", _item),
)
"""What names something stored, and what makes such a thing."""
