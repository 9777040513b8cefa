"""Adapters through the doors: asked for by name or by a preset, listed, and out of a client's own reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from intramuros.models.download import pull
from intramuros.models.parts import ADAPTER
from intramuros.privacy.egress import Egress
from tests.models import tiny
from tests.support.gateway import WRITER, Gateway, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Bonjour"}]
CHAT = "/v1/chat/completions"
FORMAL = f"{WRITER}:formal"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("adapters")
    with gateway(folder) as running:
        header = running.app.models.get(WRITER).header
        place = running.app.models.beside(WRITER, ADAPTER)
        file = tiny.adapter(folder / "formal.gguf", layers=header.layers)
        await pull(str(file), to=place, egress=Egress(), progress=lambda _: None)
        async with running.app.running():
            yield running


async def asked(made: Gateway, model: str, **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": HELLO, "max_tokens": 12, "temperature": 0, "seed": 1}
    answer = await made.client().post(CHAT, body | more)
    assert answer.status == 200, answer.json()
    return dict(answer.json())


def text(reply: dict[str, Any]) -> str:
    return str(reply["choices"][0]["message"]["content"])


async def test_a_name_with_an_adapter_answers_otherwise_and_says_so(made: Gateway) -> None:
    plain, formal = await asked(made, WRITER), await asked(made, FORMAL)
    assert text(plain) != text(formal)
    assert (plain["model"], formal["model"]) == (WRITER, FORMAL)
    assert text(await asked(made, WRITER)) == text(plain), "nothing of the adapter is left"
    stream = await made.client().post(
        CHAT, {"model": FORMAL, "messages": HELLO, "max_tokens": 12, "temperature": 0, "stream": True}
    )
    assert f'"model":"{FORMAL}"' in stream.events()[0]


async def test_a_preset_has_its_adapter(made: Gateway) -> None:
    body = {"name": "letters", "model": WRITER, "adapter": "formal"}
    assert (await made.client().post("/api/v1/presets", body)).json()["adapter"] == "formal"
    assert text(await asked(made, "letters")) == text(await asked(made, FORMAL))
    body = {"name": "from-a-name", "model": FORMAL}
    assert (await made.client().post("/api/v1/presets", body)).json()["adapter"] == "formal"
    taken = await made.client().post("/api/v1/presets", {"name": FORMAL, "model": WRITER})
    assert taken.status == 409


async def test_adapters_are_listed_with_the_models(made: Gateway) -> None:
    listed = [one["id"] for one in (await made.client().call("GET", "/v1/models")).json()["data"]]
    assert FORMAL in listed
    assert (await made.client().call("GET", f"/v1/models/{FORMAL}")).json()["id"] == FORMAL
    assert (await made.client().call("GET", f"/v1/models/{WRITER}:other")).status == 404


@pytest.mark.parametrize("field", [{"adapter": "formal"}, {"lora": [{"id": 0, "scale": 1.0}]}])
async def test_a_client_reaches_no_adapter_by_a_field(made: Gateway, field: dict[str, Any]) -> None:
    answer = await made.client().post(CHAT, {"model": WRITER, "messages": HELLO, "max_tokens": 4} | field)
    assert answer.status == 400, answer.json()


async def test_an_adapter_that_is_not_there_is_not_found(made: Gateway) -> None:
    answer = await made.client().post(CHAT, {"model": f"{WRITER}:other", "messages": HELLO})
    assert answer.status == 404 and "adapter" in answer.json()["error"]["message"]
