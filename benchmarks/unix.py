"""The same streamed chat, asked of an engine's Unix socket directly."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self.path))


def unix_chat(path: Path, messages: list[dict[str, str]], *, max_tokens: int, **fields: Any) -> int:
    """Streams one chat and returns how many tokens it had."""
    body = {
        "messages": messages,
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = UnixConnection(path)
    connection.request("POST", "/v1/chat/completions", json.dumps(body | fields), {"Content-Type": "application/json"})
    usage: dict[str, int] = {}
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            usage = json.loads(line[6:]).get("usage") or usage
    connection.close()
    return usage["completion_tokens"]
