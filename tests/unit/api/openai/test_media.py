"""Speech, listening and drawing: a back-end that plugs in gets the checked request, and its work goes back as OpenAI's."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import LOCAL
from intramuros.api.openai.audio import Audio
from intramuros.api.openai.images import Images
from intramuros.app.uploads import Uploads
from intramuros.observability.metrics import Metrics
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.media import MediaTask
from tests.asgi import Answer, Client
from tests.scripted import ScriptedPool

WAV = b"RIFF1234WAVEfmt "
GIF = b"GIF89a\x04\x00\x04\x00"


class Mirror:
    """Says, hears and draws what it was given."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def speak(self, request: Mapping[str, Any]) -> AsyncIterator[bytes]:
        self.asked.append(request)
        for word in request["input"].split():
            yield word.encode()

    async def listen(self, audio: bytes, request: Mapping[str, Any], *, translates: bool) -> Mapping[str, Any]:
        self.asked.append(request)
        return {"text": f"{len(audio)} {translates}", "language": "fr", "duration": 1.5}

    async def draw(self, request: Mapping[str, Any], *, images: Sequence[bytes], mask: bytes | None) -> Sequence[bytes]:
        self.asked.append(request)
        return [*images, *([mask] if mask else []), b"new"]


class Routes:
    def __init__(self) -> None:
        self.mirror = Mirror()
        complete = CompleteTask(pool=ScriptedPool(), metrics=Metrics())
        media = MediaTask(complete, speaks=self.mirror, listens=self.mirror, draws=self.mirror)
        audio, images = Audio(media, Uploads()), Images(media, Uploads())
        found = {"speech": audio.speech, "heard": audio.transcriptions, "english": audio.translations,
                 "drawn": images.generations, "edited": images.edits, "varied": images.variations}  # fmt: skip
        self.router = Router([Route(f"/{name}", route, methods=["POST"]) for name, route in found.items()])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] |= {"caller": LOCAL}
        await self.router(scope, receive, send)


async def send_form(routes: Routes, path: str, texts: dict[str, str], files: dict[str, bytes]) -> Answer:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in texts.items()
    ]
    parts += [
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files.items()
    ]
    headers = {"content-type": "multipart/form-data; boundary=x"}
    return await Client(routes).call("POST", path, b"".join(parts) + b"--x--\r\n", headers=headers)


async def test_speech_is_sound_of_the_format_that_was_asked_for() -> None:
    routes = Routes()
    asked = {"model": "m", "input": "bonjour monde", "voice": "v", "response_format": "flac", "speed": 2, "user": "u"}
    answer = await Client(routes).post("/speech", asked)
    assert answer.body == b"bonjourmonde" and answer.headers["content-type"] == "audio/flac"
    assert routes.mirror.asked[0]["speed"] == 2 and answer.headers["x-intramuros-not-used"] == "user"


async def test_what_was_heard_comes_as_json_or_text() -> None:
    routes = Routes()
    plain = await send_form(routes, "/heard", {"model": "m", "temperature": "0.5"}, {"file": WAV})
    assert plain.json() == {"text": "16 False"} and routes.mirror.asked[0]["temperature"] == 0.5
    verbose = await send_form(routes, "/heard", {"model": "m", "response_format": "verbose_json"}, {"file": WAV})
    assert verbose.json()["language"] == "fr"
    text = await send_form(routes, "/english", {"model": "m", "response_format": "text"}, {"file": WAV})
    assert text.body == b"16 True" and text.headers["content-type"].startswith("text/plain")


async def test_pictures_come_as_base64() -> None:
    routes = Routes()
    made = (await Client(routes).post("/drawn", {"prompt": "un château"})).json()
    assert base64.b64decode(made["data"][0]["b64_json"]) == b"new" and made["created"]
    edited = await send_form(routes, "/edited", {"prompt": "x", "n": "2"}, {"image": GIF, "mask": GIF})
    assert len(edited.json()["data"]) == 3 and routes.mirror.asked[1]["n"] == 2
    assert len((await send_form(routes, "/varied", {}, {"image": GIF})).json()["data"]) == 2
