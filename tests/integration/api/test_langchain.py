"""LangChain's own OpenAI classes and our retriever against the doors: the real packages, the real engine, tiny models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field, SecretStr

from integrations.langchain.intramuros_retriever import IntramurosError, IntramurosRetriever
from tests.installed import Installed
from tests.integration.api.test_ask import lease
from tests.integration.api.test_projects import project
from tests.support.gateway import EMBEDDER, WRITER, Gateway, gateway

__all__ = ["lease", "project"]

BASE = "http://localhost:8777/v1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("langchain")) as running:
        async with running.app.running():
            yield running


def model(made: Gateway, **more: Any) -> ChatOpenAI:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=made.guard))
    return ChatOpenAI(
        model=WRITER, base_url=BASE, api_key=SecretStr(made.keys["alice"]), http_async_client=http, max_retries=0, seed=1, **more
    )  # fmt: skip


class Forecast(BaseModel):
    """A forecast."""

    town: str = Field(max_length=8)
    days: int = Field(ge=1, le=9)


@tool
def weather(town: str) -> str:
    """The weather in a town."""
    return f"It rains in {town}."


@pytest.mark.asyncio(loop_scope="module")
async def test_chat_and_stream(made: Gateway) -> None:
    chat = model(made, max_tokens=8)
    answer = await chat.ainvoke([("system", "Sois bref."), ("human", "Bonjour")])
    assert answer.response_metadata["model_name"] == WRITER
    assert answer.usage_metadata and answer.usage_metadata["output_tokens"] == 8
    whole: AIMessageChunk | None = None
    async for chunk in model(made, max_tokens=8, stream_usage=True).astream("Bonjour"):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None and whole.usage_metadata and whole.usage_metadata["output_tokens"] == 8


@pytest.mark.asyncio(loop_scope="module")
async def test_tools_and_structured_output(made: Gateway) -> None:
    """Weights that are random numbers, and still: the tool that must be called is, and the answer fits the class."""
    bound = model(made, max_tokens=300).bind_tools([weather], tool_choice="weather")
    called = await bound.ainvoke("Le temps à Lyon ?")
    assert [call["name"] for call in called.tool_calls] == ["weather"]
    assert isinstance(called.tool_calls[0]["args"]["town"], str)
    for method in ("json_schema", "function_calling"):
        shaped = model(made, max_tokens=300).with_structured_output(Forecast, method=method)
        assert isinstance(await shaped.ainvoke("Le temps à Lyon ?"), Forecast)


@pytest.mark.asyncio(loop_scope="module")
async def test_embeddings(made: Gateway) -> None:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=made.guard))
    embeddings = OpenAIEmbeddings(
        model=EMBEDDER, base_url=BASE, api_key=SecretStr(made.keys["alice"]), http_async_client=http, check_embedding_ctx_length=False
    )  # fmt: skip
    one, two = await embeddings.aembed_documents(["chat", "chien"])
    assert len(one) == len(two) == 64 and one != two
    assert await embeddings.aembed_query("chat") == pytest.approx(one, abs=1e-5)


def retriever(installed: Installed, who: str = "bob", **more: Any) -> IntramurosRetriever:
    transport = httpx.ASGITransport(app=installed.guard)
    values: dict[str, Any] = {"api_key": installed.keys[who], "project": "Baux", "transport": transport} | more
    return IntramurosRetriever(**values)


@RunnableLambda
def sources(documents: list[Document]) -> list[str]:
    return [one.metadata["source"] for one in documents]


async def test_the_retriever(installed: Installed, lease: str) -> None:
    (found,) = await retriever(installed, k=3).ainvoke("préavis de résiliation")
    assert "six mois" in found.page_content
    assert (found.metadata["document"], found.metadata["page"]) == ("bail.md", 1) and found.metadata["score"] > 0
    chain = retriever(installed) | sources
    assert await chain.ainvoke("loyer") == ["bail.md"]
    by_id = retriever(installed, project=lease)
    assert len(await by_id.ainvoke("loyer")) == 1


async def test_the_retriever_has_the_rights_of_its_key(installed: Installed, lease: str) -> None:
    for who, name in (("charlie", "Baux"), ("bob", "../../users"), ("bob", "a/b?c#d")):
        with pytest.raises(IntramurosError) as refused:
            await retriever(installed, who, project=name).ainvoke("préavis")
        assert refused.value.status == 404, name
    installed.keys["nobody"] = "imk_wrong"
    with pytest.raises(IntramurosError, match="key") as refused:
        await retriever(installed, "nobody").ainvoke("préavis")
    assert refused.value.status == 401
    assert "imk_" not in repr(retriever(installed, "nobody"))


async def test_the_retriever_without_an_event_loop(installed: Installed, lease: str) -> None:
    """The same question through the synchronous client, whose requests are answered in this loop."""
    loop = asyncio.get_running_loop()
    inner = httpx.ASGITransport(app=installed.guard)

    class Crossing(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            async def answered() -> httpx.Response:
                answer = await inner.handle_async_request(request)
                return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

            assert threading.current_thread() is not threading.main_thread()
            return asyncio.run_coroutine_threadsafe(answered(), loop).result(10)

    found = await asyncio.to_thread(retriever(installed, transport=Crossing()).invoke, "préavis")
    assert found[0].metadata["page"] == 1
