"""`POST /v1/images/generations`, `edits` and `variations`: what a request may hold, and the routes.

A request is checked as a whole before it is said that no back-end is installed: what is refused today is refused then.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from typing import Any, TypedDict

from starlette.requests import Request
from starlette.responses import Response

from intramuros.api.body import parse_object
from intramuros.api.openai import fields
from intramuros.api.openai.fields import Fields, not_used_header, whole, words
from intramuros.api.openai.forms import body_of
from intramuros.api.openai.pictures import check_bytes
from intramuros.api.request import as_json
from intramuros.app.uploads import Uploads
from intramuros.errors import BadRequest
from intramuros.tasks.complete import DEFAULT_MODEL
from intramuros.tasks.media import MediaTask

LONGEST_PROMPT = 32_000  # characters, OpenAI's limit
MOST_IMAGES = 16
SIZE = re.compile(r"auto|[1-9]\d{2,3}x[1-9]\d{2,3}")


def _size(value: Any, path: str) -> Any:
    if not isinstance(value, str) or not SIZE.fullmatch(value):
        raise BadRequest(f"'{path}' must be 'auto' or two sides in pixels, such as 1024x1024.", param=path)
    return value


_BOTH: dict[str, fields.Check] = {
    "model": fields.model,
    "n": whole(1, 10),
    "size": _size,
    "response_format": fields.choice("b64_json"),
    "background": fields.choice("transparent", "opaque", "auto"),
    "output_format": fields.choice("png", "webp", "jpeg"),
    "output_compression": whole(0, 100),
    "quality": fields.choice("low", "medium", "high", "auto", "standard", "hd"),
}
_NO_STREAM = {
    "stream": ((None, False), "A picture comes when it is whole."),
    "partial_images": ((None, 0), "A picture comes when it is whole."),
}
_HINTS = frozenset({"user", "safety_identifier", "moderation"})
_REFUSED = dict.fromkeys(
    ("svg", "frame_count", "frame_duration_ms", "complexity"), "Pictures are single ones of pixels."
)
_PROMPT = {"prompt": words(LONGEST_PROMPT, shortest=1)}

GENERATION = Fields(
    _BOTH | _PROMPT | {"style": fields.choice("vivid", "natural")}, ("prompt",), _HINTS, _NO_STREAM, _REFUSED
)
EDIT = Fields(
    _BOTH | _PROMPT | {"input_fidelity": fields.choice("high", "low")}, ("prompt",), _HINTS, _NO_STREAM, _REFUSED
)
VARIATION = Fields({name: _BOTH[name] for name in ("model", "n", "size", "response_format")}, (), _HINTS)


class ImageObject(TypedDict):
    """A picture in base64."""

    b64_json: str


class ImagesObject(TypedDict):
    """Pictures. `created`: seconds since 1970."""

    created: int
    data: list[ImageObject]


class Images:
    """The three routes."""

    def __init__(self, media: MediaTask, uploads: Uploads) -> None:
        self.media, self.uploads = media, uploads

    async def generations(self, request: Request) -> Response:
        """Pictures of a text. Raises: NoBackEnd."""
        asked, hints = GENERATION.read(parse_object(await request.body()))
        return await self._drawn(request, asked, hints)

    async def edits(self, request: Request) -> Response:
        """Pictures changed as a text says. Raises: NoBackEnd."""
        asked, hints, files = await self._form(request, EDIT)
        images = [data for name, data in files if name in {"image", "image[]"}]
        masks = [data for name, data in files if name == "mask"]
        if not 1 <= len(images) <= MOST_IMAGES or len(masks) > 1 or len(images) + len(masks) < len(files):
            raise BadRequest(f"Send 1 to {MOST_IMAGES} files as 'image', and at most one as 'mask'.", param="image")
        return await self._drawn(request, asked, hints, images=images, mask=masks[0] if masks else None)

    async def variations(self, request: Request) -> Response:
        """Pictures like another. Raises: NoBackEnd."""
        asked, hints, files = await self._form(request, VARIATION)
        if [name for name, _ in files] != ["image"]:
            raise BadRequest("Send one file, in the field 'image'.", code="missing_parameter", param="image")
        return await self._drawn(request, asked, hints, images=[files[0][1]])

    async def _form(self, request: Request, known: Fields) -> tuple[dict[str, Any], list[str], list[tuple[str, bytes]]]:
        texts, files = await self.uploads.parts(request)
        wholes = {"n", "output_compression", "partial_images"}
        asked, hints = known.read(body_of(texts, wholes=wholes, booleans={"stream"}))
        for name, data in files:
            check_bytes(data, name.removesuffix("[]")[:64])
        return asked, hints, files

    async def _drawn(
        self,
        request: Request,
        asked: dict[str, Any],
        hints: list[str],
        *,
        images: Sequence[bytes] = (),
        mask: bytes | None = None,
    ) -> Response:
        drawer = self.media.drawer(asked.get("model", DEFAULT_MODEL), request.scope["state"]["caller"])
        made = await drawer.draw(asked, images=images, mask=mask)
        data: list[ImageObject] = [{"b64_json": base64.b64encode(picture).decode()} for picture in made]
        return as_json(ImagesObject(created=int(time.time()), data=data), headers=not_used_header(hints))
