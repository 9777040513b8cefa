"""What the commands of this user have the running server do with its models: load, unload, pin; and what it knows.

The server calls `Orders.serve`, a command `order`. Between them is a socket in the private folder of the engines, and a
note of where it is; one line of JSON each way, and before the answer lines on how far a load is, if they are wanted.
Whoever may open the folder is the user who runs the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intramuros.background import place_of
from intramuros.engines.published import Notices, began, remove_socket
from intramuros.errors import BadRequest, IntramurosError

if TYPE_CHECKING:
    from intramuros.engines.pool import EnginePool

NOTE = "orders"
LONGEST_LINE = 1 << 20
READ_S, FOLLOW_S = 5.0, 0.2
FAULT = "The server could not do it; its log says where it failed."
_log = logging.getLogger(__name__)


class Orders:
    """Takes orders for one pool, and tells of upstreams."""

    def __init__(self, pool: EnginePool, *, upstreams: Callable[[], Mapping[str, Any]] = dict) -> None:
        """`upstreams` says how those are."""
        self.pool, self.upstreams = pool, upstreams

    async def serve(self) -> None:
        """Takes orders until cancelled."""
        notices = Notices(self.pool.folder)
        socket, note = notices.new_socket(), self.pool.folder / NOTE
        server = await asyncio.start_unix_server(self._answer, path=socket, limit=LONGEST_LINE)
        socket.chmod(0o600)
        note.write_text(json.dumps({"socket": str(socket), "pid": os.getpid(), "began": began(os.getpid())}))
        try:
            async with server:
                await server.serve_forever()
        finally:
            if str(socket) in _text(note):
                note.unlink(missing_ok=True)
            remove_socket(socket)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_S):
                line = await reader.readline()
            said = await self._done(line, writer)
            await _say(writer, said)
        except (OSError, ValueError, TimeoutError) as error:
            _log.info("an order was broken off: %s", type(error).__name__)
        finally:
            writer.close()

    async def _done(self, line: bytes, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:
            wanted = json.loads(line)
            if wanted.get("follow"):
                return {"done": await self._followed(wanted, writer)}
            return {"done": await self._do(wanted)}
        except ConnectionError:  # who ordered it is gone
            raise
        except Exception as raised:  # whoever ordered it is told, also of what nobody foresaw
            error = raised if isinstance(raised, IntramurosError) else IntramurosError(FAULT)
            if error is not raised:
                _log.error("an order failed: %s", place_of(raised))
            details = {name: value for name, value in error.details.items() if _is_plain(value)}
            return {"error": {"code": error.code, "message": error.message, "hint": error.hint, "details": details}}

    async def _followed(self, wanted: dict[str, Any], writer: asyncio.StreamWriter) -> Any:
        """Does it, and says meanwhile how far the load of its model is."""
        doing = asyncio.create_task(self._do(wanted), name="an order that is followed")
        try:
            while not (await asyncio.wait({doing}, timeout=FOLLOW_S))[0]:
                state = self.pool.states().get(str(wanted.get("model", "")))
                if state is not None and state.progress is not None:
                    await _say(writer, {"progress": state.progress.to_json()})
            return doing.result()
        finally:
            doing.cancel()

    async def _do(self, wanted: dict[str, Any]) -> Any:
        pool, model = self.pool, str(wanted.get("model", ""))
        match wanted.get("do"):
            case "states":
                return [state.to_json() for state in pool.states().values()]
            case "upstreams":
                return self.upstreams()
            case "load":
                return (await pool.load(model, keep_alive_s=wanted.get("keep_alive_s"))).to_json()
            case "unload":
                return await pool.unload(model, wait_s=float(wanted.get("wait_s", 0)))
            case "pin":
                return (await pool.pin(model)).to_json()
            case "unpin":
                return pool.note_pin(pool.models.get(model).name, is_pinned=False)
        raise BadRequest("There is no such order.")


async def order(folder: Path, do: str, *, report: Callable[[dict[str, Any]], None] | None = None, **more: Any) -> Any:
    """Has the running server do something with its models; None if no server runs.

    `report` is told how far the load is that the order waits for: `LoadProgress.to_json`, several times a second.
    Raises: what the pool raises there.
    """
    more |= {"follow": True} if report else {}
    try:
        note = json.loads(_text(folder / NOTE) or "{}")
        if not note or began(note["pid"]) != note["began"]:
            return None
        reader, writer = await asyncio.open_unix_connection(note["socket"], limit=LONGEST_LINE)
    except (OSError, ValueError, KeyError):
        return None
    try:
        writer.write(json.dumps({"do": do, **more}).encode() + b"\n")
        await writer.drain()
        while "progress" in (said := json.loads(await reader.readline() or b"{}")):
            if report:
                report(said["progress"])
    except (OSError, ValueError):
        return None
    finally:
        writer.close()
    if "error" in said:
        raise _error(said["error"])
    return said.get("done")


async def _say(writer: asyncio.StreamWriter, said: dict[str, Any]) -> None:
    writer.write(json.dumps(said).encode() + b"\n")
    await writer.drain()


def _error(said: dict[str, Any]) -> IntramurosError:
    """The error that the server raised, as its own kind."""
    kind = next((kind for kind in _kinds(IntramurosError) if kind.code == said["code"]), IntramurosError)
    return kind(said["message"], hint=said["hint"], code=said["code"], **said["details"])


def _kinds(root: type[IntramurosError]) -> Iterator[type[IntramurosError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | list)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""
