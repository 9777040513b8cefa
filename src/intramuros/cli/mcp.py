"""`intramuros mcp`: an MCP server over standard input and output, for hosts that only start commands.

It passes each message on to the running server's `/mcp` with an API key, so that rights, records and limits are the
key's, and the models are loaded once. It opens no data and understands no method.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from intramuros.api.mcp.message import REFUSED, error
from intramuros.api.mcp.versions import NAMED_BY, VERSION_KEY
from intramuros.cli.console import command, err
from intramuros.errors import BadRequest, EgressRefused, NotSignedIn
from intramuros.privacy.egress import Egress, as_connection_errors

SILENCE_S = 600.0
"""How long an answer may say nothing; a stream says something every 15 seconds."""


@command
def mcp(
    url: Annotated[
        str, typer.Option(envvar="INTRAMUROS_URL", help="The running server's address.")
    ] = "http://localhost:8777",
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the API key; else it is in INTRAMUROS_API_KEY.")
    ] = None,
) -> None:
    """Speak MCP on standard input and output, for Claude Desktop and other hosts. Ends when the input does."""
    key = _key(api_key_file)
    try:
        egress = Egress([url.rstrip("/")])
    except ValueError as wrong:
        raise BadRequest(f"{url} is no server's address.", hint="For instance: http://localhost:8777") from wrong
    bridge = Bridge(url.rstrip("/") + "/mcp", key, egress, _write)
    try:
        asyncio.run(_until_interrupted(bridge.run(_lines(sys.stdin.fileno()))))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class Bridge:
    """Passes messages on and their answers back. `write` gets one message at a time, without a line's end."""

    def __init__(self, url: str, key: str, egress: Egress, write: Callable[[bytes], None]) -> None:
        self._url, self._key, self._egress, self._write = url, key, egress, write
        self._version: str | None = None
        self._running: dict[Any, asyncio.Task[None]] = {}

    async def run(self, lines: Iterator[bytes]) -> None:
        """Until the lines end, and what was asked is answered."""
        async with self._egress.session(read_timeout_s=SILENCE_S) as session:
            async for line in _arriving(lines):
                message = _read(line)
                if message.get("method") == "notifications/cancelled":
                    self._cancel(message)
                    continue
                number = message.get("id")
                key = (type(number), number) if isinstance(number, int | str) else object()
                task = asyncio.create_task(self._pass(session, line, message))
                self._running[key] = task
                task.add_done_callback(lambda _, key=key: self._running.pop(key, None))  # type: ignore[misc]
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _cancel(self, message: dict[str, Any]) -> None:
        """Closing the request's connection is how the server learns of it."""
        params = message.get("params")
        number = params.get("requestId") if isinstance(params, dict) else None
        if isinstance(number, int | str) and (task := self._running.get((type(number), number))):
            task.cancel()

    async def _pass(self, session: Any, line: bytes, message: dict[str, Any]) -> None:
        try:
            with as_connection_errors():
                async with session.post(self._url, data=line, headers=self._headers(message)) as answer:
                    if answer.content_type == "text/event-stream":
                        async for event in _events(answer.content.iter_any()):
                            self._write(event)
                    elif answer.status != 202:
                        self._back(await answer.read(), message, status=answer.status)
        except (ConnectionError, EgressRefused) as failed:
            words = f"The Intramuros server at {self._url} can't be asked: {failed}. Start it with: intramuros serve"
            self._back(error(None, REFUSED, words), message, status=503)

    def _back(self, body: bytes, message: dict[str, Any], *, status: int) -> None:
        """Writes the answer to a request; what is wrong with a notification is said on standard error."""
        answer = _read(body) or _read(error(None, REFUSED, f"The server answered with status {status}."))
        if "id" not in message and message:
            err.print(str(answer.get("error", {}).get("message", "")), markup=False)
            return
        if answer.get("id") is None:
            answer["id"] = message.get("id")
        result = answer.get("result")
        if message.get("method") == "initialize" and isinstance(result, dict):
            self._version = result.get("protocolVersion")
        self._write(orjson.dumps(answer))

    def _headers(self, message: dict[str, Any]) -> dict[str, str]:
        """What the transport over HTTP says besides the message."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta")
        modern = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
        method = message.get("method")
        said = {
            "MCP-Protocol-Version": modern or self._version,
            "Mcp-Method": method if modern else None,
            "Mcp-Name": params.get(NAMED_BY.get(str(method), "")) if modern else None,
        }
        return headers | {name: _packed(value) for name, value in said.items() if isinstance(value, str)}


async def _until_interrupted(running: Awaitable[None]) -> None:
    """By the loop's own handler: the usual one is not heard where the signal comes just before the loop waits."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    await running


def _key(path: Path | None) -> str:
    """The API key. Raises: NotSignedIn, BadRequest."""
    try:
        key = path.expanduser().read_text(encoding="utf-8") if path else os.environ.get("INTRAMUROS_API_KEY", "")
    except (OSError, UnicodeDecodeError) as wrong:
        raise BadRequest(f"The key file {path} can't be read.") from wrong
    key = key.strip()
    if not key:
        raise NotSignedIn(
            "There is no API key.",
            hint="Make one with: intramuros keys create NAME --scope search. "
            "Put it into INTRAMUROS_API_KEY, or its file's name after --api-key-file.",
        )
    if not (key.isascii() and key.isprintable()):
        raise BadRequest("This is no API key: a key is one line of letters and digits.")
    return key


def _lines(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while piece := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    yield rest


async def _arriving(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The lines that say something, read in a thread that nobody has to wait for."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[bytes | None]()

    def read() -> None:
        try:
            for line in lines:
                if line.strip():
                    loop.call_soon_threadsafe(queue.put_nowait, line)
        finally:
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of a stream's events."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield line[6:]


def _read(line: bytes) -> dict[str, Any]:
    """A message; empty where it is none, which is for the server to say."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _packed(value: str) -> str:
    """A header's value: as it is where it is plain, else in base64."""
    is_plain = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?")
    return value if is_plain else f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def _write(message: bytes) -> None:
    sys.stdout.buffer.write(message + b"\n")
    sys.stdout.buffer.flush()
