"""`POST /v1/audio/speech`, `transcriptions` and `translations`: what a request may hold, and the routes.

A request is checked as a whole before it is said that no back-end is installed: what is refused today is refused then.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from intramuros.api.body import parse_object
from intramuros.api.openai import fields
from intramuros.api.openai.fields import Fields, inside, not_used_header, number, several, words
from intramuros.api.openai.forms import body_of
from intramuros.app.uploads import Uploads
from intramuros.errors import BadRequest
from intramuros.tasks.media import MediaTask

LONGEST_SPEECH = 4096  # characters, OpenAI's limit
LARGEST_AUDIO_BYTES = 25 * 2**20
MEDIA_TYPES = {
    "mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav",
    "pcm": "audio/pcm",
}  # fmt: skip
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
AUDIO = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"fLaC", b"OggS", b"\x1aE\xdf\xa3", b"RIFF")
"""How files of sound begin: MP3 (with a tag, without), FLAC, Ogg, WebM, WAV. MP4's begins at its fifth byte."""


@fields.says({"type": "string", "minLength": 1, "maxLength": 64})
def _voice(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return words(64, shortest=1)(inside(value, path, {"id"}).get("id"), f"{path}.id")
    return words(64, shortest=1)(value, path)


def _chunking(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return inside(value, path, {"type", "prefix_padding_ms", "silence_duration_ms", "threshold"})
    return fields.choice("auto")(value, path)


SPEECH = Fields(
    honoured={
        "model": fields.model,
        "input": words(LONGEST_SPEECH, shortest=1),
        "voice": _voice,
        "instructions": words(LONGEST_SPEECH),
        "response_format": fields.choice(*MEDIA_TYPES),
        "speed": number(0.25, 4),
        "stream_format": fields.choice("audio"),
    },
    required=("model", "input", "voice"),
    hints=frozenset({"user"}),
)
_BOTH: dict[str, fields.Check] = {
    "model": fields.model,
    "prompt": words(4096),
    "response_format": fields.choice(*FORMATS),
    "temperature": number(0, 1),
}
TRANSLATION = Fields(honoured=_BOTH, required=("model",))
TRANSCRIPTION = Fields(
    honoured=_BOTH
    | {
        "language": words(16),
        "languages": several(words(16), 16),
        "keywords": several(words(64), 100),
        "timestamp_granularities": several(fields.choice("word", "segment"), 2),
        "chunking_strategy": _chunking,
        "known_speaker_names": several(words(64), 4),
        "known_speaker_references": several(words(), 4),
    },
    required=("model",),
    only_as={
        "stream": ((None, False), "A transcription comes when it is whole."),
        "include": ((None, []), "Transcriptions have no log probabilities here."),
    },
)


class Heard(TypedDict):
    """What was said; where it is asked for also in which language, for how many seconds, and in which pieces."""

    text: str
    language: NotRequired[str]
    duration: NotRequired[float]
    segments: NotRequired[list[dict[str, Any]]]


class Audio:
    """The three routes."""

    def __init__(self, media: MediaTask, uploads: Uploads) -> None:
        self.media, self.uploads = media, uploads

    async def speech(self, request: Request) -> Response:
        """Reads a text aloud. Raises: NoBackEnd."""
        asked, hints = SPEECH.read(parse_object(await request.body()))
        speaker = self.media.speaker(asked["model"], request.scope["state"]["caller"])
        kind = MEDIA_TYPES[asked.setdefault("response_format", "mp3")]
        return _with(StreamingResponse(speaker.speak(asked), media_type=kind), hints)

    async def transcriptions(self, request: Request) -> Response:
        """Writes down what is said. Raises: NoBackEnd."""
        return await self._heard(request, TRANSCRIPTION, translates=False)

    async def translations(self, request: Request) -> Response:
        """Writes down in English what is said. Raises: NoBackEnd."""
        return await self._heard(request, TRANSLATION, translates=True)

    async def _heard(self, request: Request, known: Fields, *, translates: bool) -> Response:
        texts, files = await self.uploads.parts(request)
        asked, hints = known.read(body_of(texts, numbers={"temperature"}, booleans={"stream"}))
        audio = _audio(files)
        listener = self.media.listener(asked["model"], request.scope["state"]["caller"])
        heard = await listener.listen(audio, asked, translates=translates)
        wanted = asked.get("response_format", "json")
        if wanted in {"text", "srt", "vtt"}:
            return _with(PlainTextResponse(heard["text"]), hints)
        body = dict(heard) if wanted == "verbose_json" else {"text": heard["text"]}
        return _with(Response(orjson.dumps(body), media_type="application/json"), hints)


def _audio(files: list[tuple[str, bytes]]) -> bytes:
    """The one file of the form. Raises: BadRequest for none, for several, and for what is no sound."""
    if [name for name, _ in files] != ["file"]:
        raise BadRequest("Send one file, in the field 'file'.", code="missing_parameter", param="file")
    data = files[0][1]
    if len(data) > LARGEST_AUDIO_BYTES:
        raise BadRequest(f"'file' is larger than {LARGEST_AUDIO_BYTES // 2**20} MiB.", param="file")
    if not data.startswith(AUDIO) and data[4:8] != b"ftyp":
        raise BadRequest(
            "'file' is no sound that can be read here: FLAC, MP3, MP4, Ogg, WAV or WebM.",
            code="invalid_audio",
            param="file",
        )
    return data


def _with(response: Response, hints: list[str]) -> Response:
    response.headers.update(not_used_header(hints))
    return response
