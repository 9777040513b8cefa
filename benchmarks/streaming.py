"""A plain client that times a streamed chat: time to first token, tokens per second."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

from benchmarks.running import Served


@dataclass(frozen=True)
class Timed:
    first_token_s: float
    total_s: float
    completion_tokens: int
    cached_tokens: int

    @property
    def decode_per_s(self) -> float:
        """Tokens per second after the first token."""
        return (self.completion_tokens - 1) / max(1e-9, self.total_s - self.first_token_s)


def chat(server: Served, messages: list[dict[str, str]], *, max_tokens: int) -> Timed:
    body = {
        "model": "default",
        "messages": messages,
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    place = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "localhost", place.port, timeout=120)
    start = time.perf_counter()
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json", **server.headers}
    )
    answer = connection.getresponse()
    if answer.status != 200:
        raise OSError(f"status {answer.status}: {answer.read(300)!r}")
    first = 0.0
    usage: dict[str, Any] = {}
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        usage = chunk.get("usage") or usage
        if not first and any(choice["delta"].get("content") for choice in chunk["choices"]):
            first = time.perf_counter() - start
    total = time.perf_counter() - start
    connection.close()
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return Timed(first, total, usage["completion_tokens"], cached)


def first_token(server: Served, question: str, *, retry: bool = False, seconds: float = 60) -> float:
    """Seconds to the first token; with `retry`, keeps asking while the server is not there yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            return chat(server, [{"role": "user", "content": question}], max_tokens=2).first_token_s
        except OSError:
            if not retry or time.monotonic() > end:
                raise
            time.sleep(0.02)
