"""The official clients, talking to an installation in this process."""

from __future__ import annotations

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.installed import Installed


def sdk(installed: Installed, who: str) -> AsyncOpenAI:
    """A client with that person's key; it repeats nothing, and refuses replies that are not as its types say."""
    transport = httpx2.ASGITransport(app=installed.guard)
    return AsyncOpenAI(
        base_url="http://localhost:8777/v1",
        api_key=installed.keys[who],
        http_client=httpx2.AsyncClient(transport=transport),
        max_retries=0,
        _strict_response_validation=True,
    )


def anthropic_sdk(installed: Installed, who: str) -> AsyncAnthropic:
    """Anthropic's, in the same way."""
    transport = httpx2.ASGITransport(app=installed.guard)
    return AsyncAnthropic(
        base_url="http://localhost:8777",
        api_key=installed.keys[who],
        http_client=httpx2.AsyncClient(transport=transport),
        max_retries=0,
        _strict_response_validation=True,
    )
