"""A model that sees: its projector installed beside it, images through the door to the real engine."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from intramuros.errors import BadRequest, Conflict, ModelFileError
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.models.parts import ADAPTER, PROJECTOR, Part
from intramuros.privacy.egress import Egress
from tests.asgi import Answer
from tests.models import tiny
from tests.support.gateway import SPARE, WRITER, Gateway, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
RED, BLUE = (255, 0, 0), (0, 0, 255)


async def install(models: InstalledModels, model: str, file: Path, *, kind: str = PROJECTOR) -> Part:
    place = models.beside(model, kind)
    return await pull(str(file), to=place, egress=Egress(), progress=lambda _: None, name=kind)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("seeing")
    with gateway(folder) as running:
        models = running.app.models
        await install(models, WRITER, tiny.projector(folder / "mmproj.gguf"))
        layers = models.get(WRITER).header.layers
        await install(models, WRITER, tiny.adapter(folder / "a.gguf", layers=layers), kind=ADAPTER)
        models.seal(WRITER)
        async with running.app.running():
            yield running


def png(colour: tuple[int, int, int], side: int = 28) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + bytes(colour) * side for _ in range(side))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def shown(made: Gateway, image: bytes, model: str = WRITER, kind: str = "image/png") -> Answer:
    url = f"data:{kind};base64,{base64.b64encode(image).decode()}"
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"model": model, "messages": [{"role": "user", "content": parts}], "max_tokens": 12, "temperature": 0}
    return await made.client().post(CHAT, body)


async def text(made: Gateway, image: bytes, model: str = WRITER) -> str:
    answer = await shown(made, image, model)
    assert answer.status == 200, answer.json()
    return str(answer.json()["choices"][0]["message"]["content"])


async def test_another_image_gets_another_answer_and_the_same_the_same(made: Gateway) -> None:
    red, blue = await text(made, png(RED)), await text(made, png(BLUE))
    assert red != blue
    assert (await text(made, png(RED)), await text(made, png(BLUE))) == (red, blue), "also where its prompt was kept"
    assert await text(made, png(RED), f"{WRITER}:adapter") != red, "an adapter acts on images as well"
    assert await text(made, png(RED)) == red


async def test_what_stands_beside_a_sealed_model_is_sealed(made: Gateway) -> None:
    kept = made.app.models.get(WRITER).path.parent
    assert not any(b"patch_embd" in path.read_bytes() for path in kept.rglob("*") if path.is_file())


async def test_a_model_that_reads_text_only_says_so(made: Gateway) -> None:
    answer = await shown(made, png(RED), SPARE)
    assert answer.status == 400 and answer.json()["error"]["code"] == "unsupported_content"


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (b"", "image/png"),
        (b"GIF89a", "image/png"),
        (png(RED), "image/jpeg"),
        (png(RED)[:20], "image/png"),
        (png(RED)[:16] + struct.pack(">II", 10_000, 10_000) + png(RED)[24:], "image/png"),
        (b"\x89PNG\r\n\x1a\n" + bytes(21 << 20), "image/png"),
    ],
)
async def test_what_is_no_image_is_refused_before_the_engine(made: Gateway, image: bytes, kind: str) -> None:
    answer = await shown(made, image, kind=kind)
    assert answer.status == 413 or answer.json()["error"]["code"] == "invalid_image", answer.json()


async def test_an_image_that_lies_deep_inside_ends_one_request_only(made: Gateway) -> None:
    whole = png(RED)
    for broken in (whole[:60] + bytes(len(whole) - 60), whole[:45]):
        answer = await shown(made, broken)
        assert 400 <= answer.status < 500, answer.json()
    assert await text(made, png(RED))


async def test_only_a_projector_that_fits_is_installed(made: Gateway, tmp_path: Path) -> None:
    models = made.app.models
    for file, says in (
        (tiny.projector(tmp_path / "other.gguf", projects_to=48), "another model"),
        (tiny.projector(tmp_path / "deaf.gguf", has_vision_encoder=False), "does not see"),
        (tiny.adapter(tmp_path / "a.gguf"), "no projector"),
        (tiny.chat(tmp_path / "m.gguf"), "no projector"),
    ):
        with pytest.raises(ModelFileError, match=says):
            await install(models, SPARE, file)
    assert models.get(SPARE).parts == ()
    with pytest.raises((BadRequest, Conflict)):
        await pull(
            str(tiny.projector(tmp_path / "second.gguf", seed=2)),
            to=models.beside(WRITER, PROJECTOR),
            egress=Egress(),
            progress=lambda _: None,
            name="second",
        )


async def test_a_kept_prompt_is_of_the_same_image(made: Gateway, tmp_path: Path) -> None:
    """Without adapters prompts are also kept outside of slots, one conversation's after another's."""
    await install(made.app.models, SPARE, tiny.projector(tmp_path / "mmproj.gguf", seed=3))
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9), (250, 250, 250)]
    first = [await text(made, png(colour), SPARE) for colour in colours]
    assert len(set(first)) > 1
    assert [await text(made, png(colour), SPARE) for colour in colours] == first
