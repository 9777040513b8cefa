"""Encoders in the ONNX format behind every door, through the one pool: installed by the command, listed, asked, searched."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from intramuros.accounts.caller import LOCAL
from intramuros.app import App, assemble, build, create
from intramuros.models.catalogue import Catalogue, Embedding, load
from intramuros.models.download import pull
from intramuros.settings import load as load_settings
from tests.models import encoders
from tests.models.encoders import Made
from tests.support.gateway import WRITER, Gateway, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

VECTORS, SCORES = "onnx-vectors", "onnx-scores"
TEXTS = ["la facture", "un bail", "un chat"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return encoders.encoder(tmp_path_factory.mktemp("v") / "m", quantised=True)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return encoders.encoder(tmp_path_factory.mktemp("s") / "m", ranks=True, seed=2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory, vectors: Made, scores: Made) -> AsyncIterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        models, egress = running.app.models, running.app.egress
        for name, one in ((VECTORS, vectors), (SCORES, scores)):
            asked = str(one.folder / "onnx/model.onnx")
            await pull(asked, to=models, egress=egress, progress=lambda _: None, name=name)
        async with running.app.running():
            yield running


async def ask(made: Gateway, path: str, **body: Any) -> Any:
    answer = await made.client().post(path, body)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_vectors_as_openai_asks_for_them(made: Gateway, vectors: Made) -> None:
    found = await ask(made, "/v1/embeddings", model=VECTORS, input=TEXTS)
    assert found["model"] == VECTORS
    for entry, text in zip(found["data"], TEXTS, strict=True):
        assert entry["embedding"] == pytest.approx(vectors.vector(text), abs=1e-5)
    assert found["usage"]["prompt_tokens"] == sum(len(vectors.tokenizer.encode(text).ids) for text in TEXTS)
    tokens = vectors.tokenizer.encode("un bail", add_special_tokens=False).ids
    numbers = await ask(made, "/v1/embeddings", model=VECTORS, input=tokens)
    assert numbers["data"][0]["embedding"] == pytest.approx(vectors.vector("un bail"), abs=1e-5)


async def test_a_text_that_is_too_long_is_refused_with_counts(made: Gateway) -> None:
    answer = await made.client().post("/v1/embeddings", {"model": VECTORS, "input": "a " * 127})
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (400, "context_length_exceeded")
    assert "129 tokens" in error["message"] and "128" in error["message"]


async def test_dimensions_are_what_the_model_was_trained_for(made: Gateway) -> None:
    body = {"model": VECTORS, "input": "un bail", "dimensions": 8}
    assert (await made.client().post("/v1/embeddings", body)).status == 400
    assert len((await ask(made, "/v1/embeddings", **body | {"dimensions": 64}))["data"][0]["embedding"]) == 64


async def test_vectors_as_ollama_asks_for_them(made: Gateway, vectors: Made) -> None:
    found = await ask(made, "/api/embed", model=VECTORS, input=TEXTS)
    assert found["embeddings"][1] == pytest.approx(vectors.vector(TEXTS[1]), abs=1e-5)
    assert (await ask(made, "/api/embeddings", model=VECTORS, prompt=TEXTS[1]))["embedding"] == found["embeddings"][1]
    shown = await ask(made, "/api/show", model=VECTORS)
    assert shown["details"]["format"] == "onnx" and shown["details"]["quantization_level"] == "F32"
    assert shown["capabilities"] == ["embedding"] and shown["model_info"]["bert.context_length"] == 128
    tags = {
        entry["name"].partition(":")[0]: entry
        for entry in (await made.client().call("GET", "/api/tags")).json()["models"]
    }
    assert tags[VECTORS]["details"]["format"] == "onnx" and tags[WRITER]["details"]["format"] == "gguf"
    loaded = (await made.client().call("GET", "/api/ps")).json()["models"]
    assert VECTORS in {entry["name"].partition(":")[0] for entry in loaded}


async def test_passages_are_ranked(made: Gateway, scores: Made) -> None:
    found = await ask(made, "/v1/rerank", model=SCORES, query="la facture", documents=TEXTS)
    wanted = {place: 1 / (1 + np.exp(-scores.score("la facture", text))) for place, text in enumerate(TEXTS)}
    assert {entry["index"]: entry["relevance_score"] for entry in found["results"]} == pytest.approx(wanted, abs=1e-5)
    order = [entry["index"] for entry in found["results"]]
    assert order == sorted(wanted, key=lambda place: -wanted[place])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": SCORES, "input": "a"}),
        ("/v1/rerank", {"model": VECTORS, "query": "a", "documents": ["b"]}),
        ("/v1/chat/completions", {"model": VECTORS, "messages": [{"role": "user", "content": "a"}]}),
    ],
)
async def test_what_it_is_not_made_for_is_refused(made: Gateway, path: str, body: dict[str, Any]) -> None:
    assert (await made.client().post(path, body)).status == 400


def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: Catalogue) -> App:
    monkeypatch.setattr(assemble, "load_catalogue", lambda: known)
    settings = load_settings(
        {"data": tmp_path / "data", "key_file": tmp_path / "data.key", "autotune": False, "embedder": "mine"},
        environ={},
    )
    create(settings)
    return build(settings)


async def test_documents_are_found_by_its_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: Made
) -> None:
    """Where the catalogue knows its weights as those of an embedder that is worth it."""
    weights = hashlib.sha256((vectors.folder / "onnx/model_quantized.onnx").read_bytes()).hexdigest()
    known = replace(load().get("multilingual-e5-small"), same_weights=(weights,), embedding=Embedding(0.7, "q ", "p "))
    app = opened(tmp_path, monkeypatch, Catalogue((*load().models[:1], known)))
    try:
        model = await pull(str(vectors.folder), to=app.models, egress=app.egress, progress=lambda _: None, name="mine")
        assert (model.title, model.verified, model.licence) == ("Multilingual E5 Small", "catalogue", "mit")
        assert app.embedder.standing().is_fused, app.embedder.standing().reason
        project = app.projects.create("Atelier", by=LOCAL)
        with (tmp_path / "bail.md").open("w+b") as file:
            file.write(b"# Bail\n\nLe preavis est de trois mois.\n\n# Chat\n\nUn chat dort.\n")
            file.seek(0)
            document = app.library.receive(project, "bail.md", file, by=LOCAL)
        [done] = await app.ingest.drain([document.id])
        assert done.state == "ready"
        found = await app.search.ask("Quel est le preavis ?", projects=[project.id], limit=6)
        assert not found.lexical_only and len(found.passages) >= len(found.by_words) >= 1
        assert app.pool.states()["mine"].state == "ready"
    finally:
        await app.pool.stop()
        app.close()
