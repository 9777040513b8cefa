"""The examples that come with Ollama's client, run as they are: each must end well."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ollama
import pytest

EXAMPLES = Path(os.environ.get("COMPAT_SOURCES", ".")) / "examples"
MODEL = "compat-starter"
NAMES = {"gemma4": 48, "llama3.1": 48, "llama3.1:8b": 400}
"""How much each is to say, at most."""
WRITERS = (
    "async-chat", "async-generate", "async-structured-outputs", "async-tools", "chat", "chat-logprobs", "chat-stream",
    "create", "generate", "generate-logprobs", "generate-stream", "list", "ps", "show", "structured-outputs", "tools",
)  # fmt: skip
"""Of the others some go to other servers, some need a model that sees, thinks or draws, some wait for a person."""


@pytest.fixture(scope="module")
def environment(url: str, key: str) -> Iterator[dict[str, str]]:
    """The names the examples use, for one of our models."""
    client = ollama.Client(host=url, headers={"Authorization": f"Bearer {key}"})
    for name, most in NAMES.items():
        client.create(name, from_=MODEL, parameters={"num_predict": most, "temperature": 0})
    yield {**os.environ, "OLLAMA_HOST": url, "OLLAMA_API_KEY": key}
    for name in (*NAMES, "my-assistant"):
        client.delete(name)


@pytest.mark.parametrize("name", WRITERS)
def test_example(name: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    assert done.stdout.strip()
