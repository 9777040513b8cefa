"""A small HTTP server on a Unix socket, for engines that bring none: a thread a connection.

Used by the modules that run models. Only the gateway talks to it, over a socket in a folder of its own; it understands
what `engines.openai_http` sends: requests with a `Content-Length`, JSON both ways, connections that are kept. An answer
is one JSON object, or events one after the other until the connection ends.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

MOST_CONNECTIONS = 160
HEAD_BYTES, BODY_BYTES = 64 << 10, 256 << 20
STACK_BYTES = 1 << 20
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}
OPTIONS = orjson.OPT_SERIALIZE_NUMPY


class Refused(Exception):
    """A request that can't be answered: its status, kind and message, in the words of llama.cpp's server.

    The message quotes nothing of the request. `more`: other fields of the error, such as counts of tokens.
    """

    def __init__(self, status: int, kind: str, message: str, **more: int) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": status, "type": kind, "message": message, **more}}


class Gone(Exception):
    """The client has closed its connection: nobody waits for the answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its JSON, and the connection it came by."""

    body: Mapping[str, Any]
    connection: socket.socket

    def check(self) -> None:
        """Raises: Gone."""
        with contextlib.suppress(BlockingIOError):
            if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                raise Gone


Route = Callable[[Call], Mapping[str, Any] | list[Any] | Iterator[bytes]]
"""Answers with JSON, or with events (`data: …` and an empty line). Runs in the connection's thread."""


class Server:
    """Serves `routes`, such as `POST /tokenize`."""

    def __init__(self, path: Path, routes: Mapping[str, Route]) -> None:
        self.path, self.routes = path, routes
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._places = threading.Semaphore(MOST_CONNECTIONS)

    def start(self) -> str:
        """Listens from now on; returns the address."""
        threading.stack_size(STACK_BYTES)
        self._listener.bind(str(self.path))
        self._listener.listen(MOST_CONNECTIONS)
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        return str(self.path)

    def _accept(self) -> None:
        while True:
            self._places.acquire()
            connection, _ = self._listener.accept()
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        """Answers one request after the other until the client closes, or sends what is no request."""
        try:
            with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError, ValueError, Gone):
                while (line := reader.readline(HEAD_BYTES)).endswith(b"\r\n"):
                    method, path, _ = line.decode("ascii").split(" ", 2)
                    length, stays = _head(reader)
                    data = reader.read(length)
                    if len(data) < length or not self._answer(connection, f"{method} {path}", data) or not stays:
                        return
        finally:
            self._places.release()

    def _answer(self, connection: socket.socket, what: str, data: bytes) -> bool:
        """Answers one request; whether the connection can be kept."""
        try:
            route = self.routes.get(what)
            if route is None:
                raise Refused(404, "not_found_error", "no such path")
            body = orjson.loads(data) if data else {}
            if not isinstance(body, dict):
                raise Refused(400, "invalid_request_error", "the body is no object")
            found = route(Call(body, connection))
            if isinstance(found, Iterator):
                return _stream(connection, found)
            status, sent = 200, orjson.dumps(found, option=OPTIONS)
        except Refused as error:
            status, sent = error.status, orjson.dumps(error.body)
        except orjson.JSONDecodeError:
            status, sent = 400, orjson.dumps(Refused(400, "invalid_request_error", "the body is no JSON").body)
        except Gone:
            raise
        except Exception as error:
            print(f"E a request failed: {type(error).__name__}", file=sys.stderr, flush=True)  # what it says may quote
            status, sent = 500, orjson.dumps(Refused(500, "server_error", "the computation failed").body)
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
        return True


def _head(reader: Any) -> tuple[int, bool]:
    """The length of a request's body, and whether the connection stays. Raises: ValueError."""
    length, stays, left = 0, True, HEAD_BYTES
    while (line := reader.readline(left)) not in (b"\r\n", b""):
        left -= len(line)
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "connection":
            stays = "close" not in value.lower()
        elif name.lower() == "transfer-encoding":
            raise ValueError("a body without a length")
    if line == b"" or not 0 <= length <= BODY_BYTES:
        raise ValueError("no request")
    return length, stays


def _stream(connection: socket.socket, events: Iterator[bytes]) -> bool:
    """Sends events as they come; a client that leaves ends them. What fails is the last event."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in events:
            connection.sendall(event)
    except Refused as error:
        connection.sendall(b"data: " + orjson.dumps(error.body) + b"\n\n")
    except (Gone, OSError):
        return False  # the client has left
    except Exception as error:
        print(f"E a stream failed: {type(error).__name__}", file=sys.stderr, flush=True)  # what it says may quote
        failed = Refused(500, "server_error", "the computation failed")
        connection.sendall(b"data: " + orjson.dumps(failed.body) + b"\n\n")
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
    return False
