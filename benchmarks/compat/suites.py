"""The suites: which package holds them, what of it is run, and how it is pointed at a server.

A further suite is one more row in `SUITES`, and its reasoned exceptions in `exceptions.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.compat.names import Alias, anthropic_names, openai_names


@dataclass(frozen=True)
class Suite:
    """One suite of tests: out of a source distribution, or of our own (`package` is then the client it is run with).

    `files` are relative to its root; `environment` is given the address and the key to use; `alias` puts names of this
    installation in the place of the suite's. A suite without one asks the server itself, with no relay between.
    """

    name: str
    package: str
    version: str
    files: tuple[str, ...]
    requirements: tuple[str, ...]
    environment: Callable[[str, str], Mapping[str, str]]
    alias: Alias | None = None
    extras: str = ""
    is_own: bool = False
    needs_sources: bool = True


OPENAI = Suite(
    name="openai",
    package="openai",
    version="3.57.0",
    extras="[aiohttp]",
    files=(
        "tests/api_resources/chat/test_completions.py",
        "tests/api_resources/chat/completions/test_messages.py",
        "tests/api_resources/test_responses.py",
        "tests/api_resources/responses/test_input_items.py",
        "tests/api_resources/responses/test_input_tokens.py",
        "tests/api_resources/test_completions.py",
        "tests/api_resources/test_embeddings.py",
        "tests/api_resources/test_models.py",
        "tests/api_resources/test_moderations.py",
        "tests/api_resources/test_files.py",
        "tests/api_resources/test_batches.py",
        "tests/api_resources/test_vector_stores.py",
        "tests/api_resources/vector_stores/test_files.py",
        "tests/api_resources/vector_stores/test_file_batches.py",
        "tests/api_resources/test_conversations.py",
        "tests/api_resources/conversations/test_items.py",
        "tests/api_resources/audio/test_transcriptions.py",
        "tests/api_resources/audio/test_translations.py",
        "tests/api_resources/test_images.py",
    ),
    requirements=("pytest", "pytest-asyncio", "pytest-timeout", "rich", "inline-snapshot"),
    environment=lambda url, _key: {"TEST_API_BASE_URL": f"{url}/v1"},
    alias=openai_names,
)

ANTHROPIC = Suite(
    name="anthropic",
    package="anthropic",
    version="2.14.0",
    extras="[aiohttp]",
    files=(
        "tests/api_resources/test_messages.py",
        "tests/api_resources/test_models.py",
        "tests/api_resources/messages/test_batches.py",
        "tests/api_resources/beta/test_messages.py",
        "tests/api_resources/beta/test_models.py",
        "tests/api_resources/beta/messages/test_batches.py",
    ),
    requirements=(
        "pytest",
        "pytest-asyncio",
        "pytest-timeout",
        "rich",
        "respx",
        "dirty-equals",
        "inline-snapshot",
        "http-snapshot[httpx]==0.1.9",
    ),
    environment=lambda url, _key: {"TEST_API_BASE_URL": url},
    alias=anthropic_names,
)


def _own(url: str, key: str) -> Mapping[str, str]:
    return {"COMPAT_URL": url, "COMPAT_KEY": key}


OLLAMA = Suite(
    name="ollama",
    package="ollama",
    version="0.6.3",
    files=("test_ollama.py", "test_ollama_examples.py"),
    requirements=("pytest", "pytest-timeout"),
    environment=_own,
    is_own=True,
)
"""Its own tests compare what the client sends with what was expected, and ask no server."""

LANGCHAIN = Suite(
    name="langchain-openai",
    package="langchain-openai",
    version="1.7.4",
    files=("test_langchain.py",),
    requirements=("langchain-tests==1.1.9", "pytest-timeout"),
    environment=_own,
    is_own=True,
    needs_sources=False,
)
"""The standard tests that LangChain asks of every integration, for its own OpenAI classes."""

MCP = Suite(
    name="mcp",
    package="mcp",
    version="2.3.0",
    files=("test_mcp.py",),
    requirements=("pytest", "pytest-asyncio", "pytest-timeout"),
    environment=_own,
    is_own=True,
    needs_sources=False,
)

OPENAPI = Suite(
    name="openapi",
    package="schemathesis",
    version="4.32.5",
    files=("test_openapi.py",),
    requirements=("pytest", "pytest-timeout"),
    environment=_own,
    is_own=True,
    needs_sources=False,
)
"""Our own document, fuzzed: no answer may be a fault of ours."""

SUITES = (OPENAI, ANTHROPIC, OLLAMA, LANGCHAIN, MCP, OPENAPI)
