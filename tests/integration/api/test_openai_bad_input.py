"""Bad and hostile input at every route of the OpenAI door: an error of OpenAI's shape, never a fault of ours."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intramuros.api.openai import audio, completions, embeddings, images, moderations, schemas
from intramuros.api.openai.responses import request as responses
from intramuros.server.access import RULES
from tests.asgi import Answer
from tests.installed import Installed, installation

HELLO = [{"role": "user", "content": "Bonjour"}]
CHAT = "/v1/chat/completions"
JSON_ROUTES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "default", "messages": HELLO},
    "/v1/responses": {"model": "default", "input": "Bonjour"},
    "/v1/responses/input_tokens": {"model": "default", "input": "Bonjour"},
    "/v1/responses/compact": {"model": "default", "input": [*HELLO, {"role": "assistant", "content": "Oui ?"}]},
    "/v1/completions": {"model": "default", "prompt": "Bonjour"},
    "/v1/embeddings": {"model": "default", "input": "Bonjour"},
    "/v1/rerank": {"model": "default", "query": "q", "documents": ["a"]},
    "/v1/moderations": {"input": "Bonjour"},
    "/v1/audio/speech": {"model": "tts-1", "input": "Bonjour", "voice": "alloy"},
    "/v1/images/generations": {"prompt": "Un château"},
}
FORMS: dict[str, dict[str, str]] = {
    "/v1/audio/transcriptions": {"model": "whisper-1"},
    "/v1/audio/translations": {"model": "whisper-1"},
    "/v1/images/edits": {"prompt": "Plus clair"},
    "/v1/images/variations": {},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installed]:
    async def vectors(texts: Any) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    async def scores(query: str, texts: Any) -> list[float]:
        return [0.0 for _ in texts]

    async def tokens(text: str) -> list[int]:
        return [1]

    with installation(tmp_path_factory.mktemp("installed")) as made:
        made.engine.embed, made.engine.rerank, made.engine.tokenise = vectors, scores, tokens  # type: ignore[method-assign]
        async with made.app.running():
            yield made


def is_openai_error(answer: Answer) -> bool:
    error = answer.json()["error"]
    known = {"message", "type", "param", "code"}
    return (
        known <= set(error)
        and isinstance(error["message"], str)
        and answer.headers["content-type"] == "application/json"
    )


def test_every_route_that_takes_json_or_a_form_is_here() -> None:
    posts = {
        rule.path
        for rule in RULES
        if rule.method == "POST" and rule.path.startswith("/v1/") and rule.scope.value == "chat"
    }
    stateless = {
        path
        for path in posts
        if path.split("/")[2]
        in {"chat", "completions", "embeddings", "rerank", "moderations", "audio", "images", "responses"}
    }
    assert {path for path in stateless if "{" not in path} == {*JSON_ROUTES, *FORMS}


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"3", b'"x"', b'{"model": "\xff\xfe"}', b'{"model": "default", "a": NaN}', b"{]" * 50,
        b"[" * 100_000, b'{"model":' * 50_000, b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"messages": [' + b"0," * 250_000 + b"0]}", b"\xef\xbb\xbf{}", b"{}\x00", b'{"model": "\\ud800"}',
    ],
    ids=["empty", "cut", "list", "null", "number", "text", "not utf-8", "nan", "mixed", "deep list", "deep object",
         "deep field", "giant list", "mark", "zero byte", "half a pair"],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_request(installed: Installed, path: str, body: bytes) -> None:
    answer = await installed.client("alice").call("POST", path, body)
    assert answer.status == 400 and is_openai_error(answer), answer.body[:300]
    assert not installed.engine.asked


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.asyncio(loop_scope="module")
async def test_unknown_fields_and_missing_ones_are_named(installed: Installed, path: str) -> None:
    client, good = installed.client("alice"), JSON_ROUTES[path]
    unknown = await client.post(path, good | {"temprature": 1})
    assert unknown.json()["error"]["param"] == "temprature" and unknown.json()["error"]["code"] == "unknown_parameter"
    for name in () if path.startswith("/v1/responses") else good:
        if name == "model" and path in {"/v1/moderations", "/v1/images/generations"}:
            continue
        missing = await client.post(path, {key: held for key, held in good.items() if key != name})
        assert missing.json()["error"]["param"] == name, name
        bad: list[Any] = [True, 3.5, {"a": {}}, [[]]]
        for wrong in bad:
            assert (await client.post(path, good | {name: wrong})).status == 400, (name, wrong)
    for name in ("model", "input") if path.startswith("/v1/responses") else ():  # may be left out, not be anything
        for wrong in (True, 3.5, {"a": {}}, [[]]):
            assert (await client.post(path, good | {name: wrong})).status == 400, (name, wrong)


def png(width: int = 4, height: int = 4) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def url(data: bytes, said: str = "image/png") -> str:
    return f"data:{said};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (url(png()), "unsupported_content"),
        (url(png(), "image/jpeg"), "invalid_image"), (url(b"<svg/>", "image/svg+xml"), "invalid_image"),
        (url(b"MZ" + bytes(100)), "invalid_image"), (url(png()[:20]), "invalid_image"), (url(b""), "invalid_image"),
        (url(png(100_000, 1)), "invalid_image"), (url(png(10_000, 10_000)), "invalid_image"), (url(png(0, 4)), "invalid_image"),
        (url(b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"), "invalid_image"),
        (url(b"\xff\xd8\xff" + b"\x00" * 40, "image/jpeg"), "invalid_image"),
        (url(b"GIF89a", "image/gif"), "invalid_image"), (url(b"RIFF1234WEBPVP8X", "image/webp"), "invalid_image"),
        ("data:image/png;base64,%%%", "invalid_image"), ("https://example.org/a.png", "invalid_image"),
        ("file:///etc/passwd", "invalid_image"), (3, "invalid_image"),
    ],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_images_that_lie_about_their_type(installed: Installed, image: Any, code: str) -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]
    answer = await installed.client("alice").post(CHAT, {"model": "default", "messages": messages})
    assert answer.status == 400 and answer.json()["error"]["code"] == code, answer.body


@pytest.mark.asyncio(loop_scope="module")
async def test_too_many_images(installed: Installed) -> None:
    part = {"type": "image_url", "image_url": {"url": url(png())}}
    messages = [{"role": "user", "content": [part] * 17}]
    answer = await installed.client("alice").post(CHAT, {"model": "default", "messages": messages})
    assert "more than 16 images" in answer.json()["error"]["message"]


def form(texts: dict[str, str], files: dict[str, bytes] | list[tuple[str, bytes]] = ()) -> tuple[bytes, dict[str, str]]:  # type: ignore[assignment]
    files = list(files.items()) if isinstance(files, dict) else files
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in texts.items()
    ]
    parts += [
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}


async def send(installed: Installed, path: str, texts: dict[str, str], files: Any = ()) -> Answer:
    body, headers = form(texts, files)
    return await installed.client("alice").call("POST", path, body, headers=headers)


GOOD = {"audio": ("file", b"RIFF1234WAVEfmt "), "images": ("image", png())}


@pytest.mark.parametrize("path", [*FORMS, "/v1/audio/speech", "/v1/images/generations"])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_no_back_end_can_do_is_said_once_the_request_is_in_order(installed: Installed, path: str) -> None:
    if path in JSON_ROUTES:
        answer = await installed.client("alice").post(path, JSON_ROUTES[path])
    else:
        name, data = GOOD[path.split("/")[2]]
        answer = await send(installed, path, FORMS[path], {name: data})
    error = answer.json()["error"]
    assert answer.status == 501 and error["code"] == "no_back_end" and "known-limits" in error["message"]
    assert answer.headers["x-should-retry"] == "false" and is_openai_error(answer)


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.asyncio(loop_scope="module")
async def test_forms_that_are_none(installed: Installed, path: str) -> None:
    name, data = GOOD[path.split("/")[2]]
    assert (await installed.client("alice").post(path, FORMS[path])).status == 400, "JSON is no form"
    assert (await send(installed, path, FORMS[path])).status == 400, "no file"
    assert (await send(installed, path, FORMS[path], {name: b"Example data"})).status == 400, "neither sound nor image"
    assert (await send(installed, path, FORMS[path] | {"n": "x", "nothing": "1"}, {name: data})).status == 400
    assert (await send(installed, path, FORMS[path], {"other": data})).status == 400
    assert (await send(installed, path, FORMS[path] | {"a]b[": "1"}, {name: data})).status == 400
    broken = await installed.client("alice").call(
        "POST", path, b"--y\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert broken.status == 400 and is_openai_error(broken)


@pytest.mark.asyncio(loop_scope="module")
async def test_forms_of_the_official_client(installed: Installed) -> None:
    texts = {
        "model": "w",
        "temperature": "0.5",
        "stream": "false",
        "languages[]": "fr",
        "chunking_strategy[type]": "server_vad",
    }
    assert (await send(installed, "/v1/audio/transcriptions", texts, {"file": GOOD["audio"][1]})).status == 501
    texts = {"prompt": "x", "n": "2", "size": "1024x1024", "user": "u"}
    both = [("image[]", png()), ("image[]", png()), ("mask", png())]
    assert (await send(installed, "/v1/images/edits", texts, both)).status == 501
    refused = await send(installed, "/v1/images/edits", texts | {"n": "11"}, both)
    assert refused.json()["error"]["param"] == "n"


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.path.startswith("/v1/")], ids=lambda rule: f"{rule.method} {rule.path}"
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_without_the_scope_opens_none_of_them(installed: Installed, rule: Any) -> None:
    from intramuros.accounts.rights import Rights

    person = installed.app.users.by_email("alice@firm.example")
    assert person is not None
    key, _ = installed.app.api_keys.create("x", person.id, rights=Rights(scopes=frozenset({"privacy"})))
    answer = await installed.client(None, authorization=f"Bearer {key}").call(
        rule.method, rule.path.replace("{model:path}", "m"), b"{}"
    )
    assert answer.status == 403 and answer.json()["error"]["code"] == "missing_scope"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_for_one_model_gets_no_other(installed: Installed) -> None:
    from intramuros.accounts.rights import Rights

    person = installed.app.users.by_email("alice@firm.example")
    assert person is not None
    key, _ = installed.app.api_keys.create("x", person.id, rights=Rights(models=frozenset({"other"})))
    client = installed.client(None, authorization=f"Bearer {key}")
    for path, body in JSON_ROUTES.items():
        answer = await client.post(path, body | {"model": "scripted"})
        assert answer.status == 403 and answer.json()["error"]["code"] == "model_not_allowed", path


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
anything = st.recursive(
    leaves | st.sampled_from(["text", "function", "json_schema", "image_url", "user", "default", "message", "file_search", "function_call", "function_call_output", "compaction", "input_text", "input_image", "allowed_tools", "vs_1", "base64", "auto", "data:image/png;base64,"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["type", "function", "name", "parameters", "json_schema", "schema", "text", "role", "content", "url", "image_url", "$ref", "$defs", "items", "enum", "vector_store_ids", "call_id", "output", "encrypted_content", "arguments", "format", "mode", "tools", "filters"]) | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
TABLES = {
    CHAT: schemas.FIELDS, "/v1/completions": completions.FIELDS, "/v1/embeddings": embeddings.EMBEDDING_FIELDS,
    "/v1/rerank": embeddings.RERANK_FIELDS, "/v1/moderations": moderations.FIELDS, "/v1/audio/speech": audio.SPEECH,
    "/v1/images/generations": images.GENERATION, "/v1/responses": responses.FIELDS,
    "/v1/responses/input_tokens": responses.COUNTED, "/v1/responses/compact": responses.COMPACTED,
}  # fmt: skip
requests = st.sampled_from(sorted(JSON_ROUTES)).flatmap(
    lambda path: st.tuples(
        st.just(path),
        st.dictionaries(st.sampled_from(sorted(TABLES[path].names)) | st.text(max_size=5), anything, max_size=5),
    )
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(requests)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_request_is_a_fault_of_ours(installed: Installed, request_: tuple[str, dict[str, Any]]) -> None:
    path, fields = request_
    answer = await installed.client("alice").post(path, JSON_ROUTES[path] | fields)
    # Well-formed requests get as far as what is not there, or as a model that gives no judgement.
    assert answer.status < 500 or answer.json()["error"]["code"] in {"no_back_end", "detector_failed"}, answer.body
    assert answer.status == 200 or is_openai_error(answer), json.dumps(fields)
