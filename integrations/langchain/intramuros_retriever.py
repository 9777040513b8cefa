"""A LangChain retriever over the search of an Intramuros server: passages with document, page and score.

    retriever = IntramurosRetriever(base_url="http://localhost:8777", api_key="imk_…", project="Contrats", k=6)
    documents = retriever.invoke("Quel est le préavis ?")

Copy this file into your program; it needs `langchain-core` and `httpx`. It is no part of the product and imports
nothing of it. Models are reached with LangChain's own OpenAI classes: see README.md beside this file.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, SecretStr


class IntramurosError(Exception):
    """The server refused a search: `code` is its own name for why, `status` the one of HTTP."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        self.code, self.status = code, status
        super().__init__(message)


class IntramurosRetriever(BaseRetriever):
    """The best passages of a project's documents for a query, as the key's person may read them.

    `k` is how many at most. `verify` is a file with the certificate authority of a server with TLS, if the system does
    not know it. Raises: IntramurosError; httpx.TransportError when the server can't be reached.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    base_url: str = "http://localhost:8777"
    api_key: SecretStr
    project: str
    k: int = Field(default=6, ge=1, le=100)
    timeout_s: float = 30.0
    verify: bool | str = True
    transport: Any = None
    """An httpx transport, for tests and proxies."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        with httpx.Client(**self._client()) as client:
            return _documents(client.post(self._path(), json={"query": query, "limit": self.k}))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        async with httpx.AsyncClient(**self._client()) as client:
            return _documents(await client.post(self._path(), json={"query": query, "limit": self.k}))

    def _client(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "headers": {"Authorization": f"Bearer {self.api_key.get_secret_value()}"},
            "timeout": self.timeout_s,
            "verify": self.verify,
            "transport": self.transport,
        }

    def _path(self) -> str:
        return f"/api/v1/projects/{quote(self.project, safe='')}/search"


def _documents(answer: httpx.Response) -> list[Document]:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code != httpx.codes.OK:
        error = body.get("error", {})
        words = f"{error.get('message', 'The search failed.')} {error.get('hint', '')}".strip()
        raise IntramurosError(words, code=error.get("code", "unknown"), status=answer.status_code)
    return [_document(passage) for passage in body["passages"]]


def _document(passage: dict[str, Any]) -> Document:
    names = ("document", "document_id", "page", "headings", "score", "rects")
    metadata = {"source": passage["document"], **{name: passage[name] for name in names}}
    return Document(page_content=passage["text"], metadata=metadata)
