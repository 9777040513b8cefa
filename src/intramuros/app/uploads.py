"""Files out of a `multipart/form-data` body, kept in memory: a plain copy of a document must never touch the disk.

Called by the routes of APIs and pages that take files. Bounded: the guard limits each body, and only a few are read at
once.
"""

from __future__ import annotations

import asyncio
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from intramuros.errors import BadRequest

AT_ONCE = 4
MAX_FILES = 100
MAX_FIELDS = 200


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40  # Starlette's parser writes larger parts to a temporary file, unencrypted


class Uploads:
    """Reads uploads, a few at a time: the others wait without having sent their bytes."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def files(self, request: Request) -> list[tuple[str, BinaryIO]]:
        """The files of the form: the name each came with, and its content.

        Raises: BadRequest where there is none or the form is broken; TooLarge, from the guard.
        """
        form = await self.form(request)
        files = [(part.filename or "", part.file) for _, part in form.multi_items() if isinstance(part, UploadFile)]
        if not files:
            raise BadRequest("The form has no file.", hint="Send one or more 'file' fields.", param="file")
        return files

    async def parts(self, request: Request) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]]]:
        """The form's texts and files, each with the name of its field, in order. Raises: BadRequest, TooLarge."""
        items = (await self.form(request, max_fields=MAX_FIELDS)).multi_items()
        texts = [(name, part) for name, part in items if isinstance(part, str)]
        return texts, [(name, part.file.read()) for name, part in items if isinstance(part, UploadFile)]

    async def form(self, request: Request, *, max_fields: int = 20) -> FormData:
        """The whole form. Raises: BadRequest where it is none or broken; TooLarge, from the guard."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise BadRequest("Send this as a form: multipart/form-data, files in 'file' fields.")
        async with self._places:
            return await self._form(request, max_fields=max_fields)

    async def _form(self, request: Request, *, max_fields: int) -> FormData:
        try:
            parser = _InMemory(request.headers, request.stream(), max_files=MAX_FILES, max_fields=max_fields)
            return await parser.parse()
        except MultiPartException as error:
            raise BadRequest(
                f"The form can't be read: {error.message}",
                hint=f"Send at most {MAX_FILES} files in one request, each in a 'file' field.",
                param="file",
            ) from None
        except ValueError:  # a charset that can't be
            raise BadRequest("The form can't be read: its content type has a charset that can't be.") from None
        except KeyError:
            raise BadRequest(
                "The form can't be read: its boundary is missing.",
                hint="Let the client write the content type: it knows the boundary.",
            ) from None
