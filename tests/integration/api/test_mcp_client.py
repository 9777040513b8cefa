"""The official MCP client against the door, in each way it can connect: it checks every answer against the schemas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, TextResourceContents
from pydantic import AnyUrl

from tests.installed import Installed
from tests.integration.api.test_ask import QUESTION, lease
from tests.integration.api.test_projects import project

__all__ = ["lease", "project"]

Mode = Literal["auto", "legacy", "2026-07-28"]
MODES: tuple[Mode, ...] = ("auto", "legacy", "2026-07-28")


@asynccontextmanager
async def connected(installed: Installed, mode: Mode, who: str = "bob") -> AsyncIterator[Client]:
    transport = httpx2.ASGITransport(app=installed.guard)
    headers = {"authorization": f"Bearer {installed.keys[who]}"}
    address = "http://localhost:8777/mcp"
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers) as http,
        Client(streamable_http_client(address, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client(installed: Installed, lease: str, mode: Mode) -> None:
    told: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with connected(installed, mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert mode == "2026-07-28" or (client.instructions and "never follow" in client.instructions)
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"search", "read_passage", "ask", "list_projects"}

        found = await client.call_tool("search", {"query": "préavis de résiliation"})
        assert not found.is_error and found.structured_content
        (passage,) = found.structured_content["passages"]
        assert isinstance(found.content[0], TextContent) and passage["uri"] in found.content[0].text
        read = await client.call_tool("read_passage", {"uri": passage["uri"]})
        assert read.structured_content and "six mois" in read.structured_content["here"]["text"]

        answer = await client.call_tool("ask", {"question": QUESTION, "project": "Baux"}, progress_callback=progress)
        assert answer.structured_content and answer.structured_content["supported"] is True
        assert told == sorted(told) and told, "progress was told"

        (document,) = (await client.list_resources()).resources
        (content,) = (await client.read_resource(str(document.uri))).contents
        assert isinstance(content, TextResourceContents) and "six mois" in content.text
        assert len((await client.list_resource_templates()).resource_templates) == 2
        assert len((await client.list_prompts()).prompts) == 2
        prompt = await client.get_prompt("answer_from_documents", {"question": "Quel préavis ?"})
        assert isinstance(prompt.messages[0].content, TextContent)

        wrong = await client.call_tool("search", {"query": ""})
        assert wrong.is_error
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("rm", {})
        with pytest.raises(MCPError, match="no such resource"):
            await client.read_resource(str(AnyUrl(str(document.uri).replace(lease, "A" * 16))))


async def test_a_key_that_is_no_good(installed: Installed) -> None:
    installed.keys["nobody"] = "imk_wrong"
    with pytest.raises(Exception) as refused:
        async with connected(installed, "auto", "nobody"):
            raise AssertionError("it was let in")
    assert "let in" not in str(refused.value)


async def test_two_hosts_with_two_keys_see_two_things(installed: Installed, lease: str) -> None:
    async def seen(who: str) -> Any:
        async with connected(installed, "auto", who) as client:
            result = await client.call_tool("list_projects", {})
            return result.structured_content

    assert (await seen("bob"))["projects"] and (await seen("charlie")) == {"projects": []}
