"""LangChain's standard integration tests for its OpenAI classes, with the server in the place of OpenAI's."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

HOW = {"base_url": os.environ.get("COMPAT_URL", "") + "/v1", "api_key": os.environ.get("COMPAT_KEY", "none")}


class TestChat(ChatModelIntegrationTests):  # type: ignore[misc]
    """The starter model: small, so some of what is asked of its wits it can't."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**HOW, "model": "compat-starter", "max_retries": 0, "stream_usage": True}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 80, "timeout": 60}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "compat-writer"


class TestResponses(TestChat):
    """The same through `/v1/responses`."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "use_responses_api": True}


class TestEmbeddings(EmbeddingsIntegrationTests):  # type: ignore[misc]
    """Vectors."""

    @property
    def embeddings_class(self) -> type[OpenAIEmbeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {**HOW, "model": "compat-embedder", "check_embedding_ctx_length": False}
