"""The official MCP client against `/mcp`, in each way it connects; it checks every answer against the schemas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

Mode = Literal["auto", "legacy", "2026-07-28"]
MODES: tuple[Mode, ...] = ("auto", "legacy", "2026-07-28")
QUESTION = "How high is the castle wall?"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Any:
    """How it connects."""
    return request.param


@asynccontextmanager
async def connected(url: str, key: str, mode: Any) -> AsyncIterator[Client]:
    """A client."""
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def test_connect(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")


async def test_list_tools(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == {"search", "read_passage", "ask", "list_projects"}


async def test_call_tools_that_search_and_read(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        found = await client.call_tool("search", {"query": "castle wall", "project": "Castle"})
        assert not found.is_error and found.structured_content
        address = found.structured_content["passages"][0]["uri"]
        read = await client.call_tool("read_passage", {"uri": address})
    assert read.structured_content and "twelve metres" in read.structured_content["here"]["text"]


async def test_call_a_tool_with_progress(url: str, key: str, mode: Any) -> None:
    told: list[float] = []

    async def told_of(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with connected(url, key, mode) as client:
        asked = {"question": QUESTION, "project": "Castle"}
        answer = await client.call_tool("ask", asked, progress_callback=told_of)
    assert answer.structured_content and not answer.is_error
    assert told and told == sorted(told)


async def test_a_tool_that_fails(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        assert (await client.call_tool("search", {"query": ""})).is_error


async def test_a_tool_that_is_not_there(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("rm", {})


async def test_list_and_read_resources(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        listed = (await client.list_resources()).resources
        assert listed and (await client.read_resource(str(listed[0].uri))).contents


async def test_list_resource_templates(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        assert (await client.list_resource_templates()).resource_templates


async def test_list_and_get_prompts(url: str, key: str, mode: Any) -> None:
    async with connected(url, key, mode) as client:
        assert len((await client.list_prompts()).prompts) == 2
        prompt = await client.get_prompt("answer_from_documents", {"question": QUESTION})
    assert prompt.messages


async def test_a_bad_key(url: str, mode: Any) -> None:
    with pytest.raises(BaseException) as refused:
        async with connected(url, "imk_wrong", mode) as client:
            await client.list_tools()
    assert not isinstance(refused.value, AssertionError)
