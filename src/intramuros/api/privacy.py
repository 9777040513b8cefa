"""Redaction for programs: `POST /privacy/v1/redact` and `/privacy/v1/restore`.

Called by the router. The server keeps nothing of a conversation: its aliases travel with the caller as `map`, sealed
under a key that only the server has and bound to the caller, so that the way back is neither stored here nor readable
there. What is recorded is how much was hidden, by type.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, choice, maybe, thing, words
from intramuros.errors import BadRequest, StorageCorrupt
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.privacy.redact.redactor import Redacted, Redactor
from intramuros.privacy.redact.restore import Restorer

LONGEST = 2_000_000
LANGUAGES = ("", "fr", "de", "it", "en")
REDACTED = Shape(
    {"text": words(LONGEST), "policy": thing(), "map": maybe(words(8 * LONGEST)), "language": choice(*LANGUAGES)},
    required=("text",),
)
RESTORED = Shape({"text": words(LONGEST), "map": words(8 * LONGEST)}, required=("text", "map"))


class EntityObject(TypedDict):
    """Something that was found in a text: from character `start` to before `end`."""

    entity_type: str
    start: int
    end: int
    score: float
    action: str
    alias: str | None


class RedactedObject(TypedDict):
    """A text as it may leave, and what was found where in the original."""

    text: str
    entities: list[EntityObject]


class WithMap(RedactedObject):
    """The same, with the sealed map to go on with or to restore."""

    map: str


class Restored(TypedDict):
    """The text with its values back: how many, and how many aliases are none of this map's."""

    text: str
    restored: int
    unknown: int


class PrivacyRoutes:
    """The routes below `/privacy/v1`."""

    def __init__(self, redactor: Redactor, directory: OrganisationDirectory, *, key: bytes) -> None:
        self.redactor, self.directory, self._key = redactor, directory, key

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        return [
            Route("/privacy/v1/redact", self.redact, methods=["POST"]),
            Route("/privacy/v1/restore", self.restore, methods=["POST"]),
        ]

    async def redact(self, request: Request) -> Response:
        """The text pseudonymised, what was found where, and the map to go on with or to restore.

        Raises: BadRequest, TextBlocked, DetectorFailed.
        """
        values = await REDACTED.of(request.receive)
        written, language = values["text"], values.get("language") or ""
        policy = self.redactor.policy.changed(values.get("policy") or {})
        sealed = values.get("map")
        aliases = self._opened(sealed, _owner(request)) if sealed is not None else Aliases()
        redacted = await asyncio.to_thread(
            self._redacted, replace(self.redactor, policy=policy), written, aliases, language
        )
        entry_of(request).note(masked=redacted.counts, policy=policy.version, size_bytes=len(written.encode()))
        return as_json(WithMap(**redacted_object(redacted), map=self._sealed(aliases, _owner(request))))

    async def restore(self, request: Request) -> Response:
        """The text with its values back; `unknown` counts aliases that are none of this map's. Raises: BadRequest."""
        values = await RESTORED.of(request.receive)
        written = values["text"]
        restorer = Restorer(self._opened(values["map"], _owner(request)).values)
        restored = restorer.feed(written) + restorer.close()
        entry_of(request).note(
            restored=restorer.restored, unknown=restorer.unknown, policy=self.redactor.policy.version
        )
        return as_json(Restored(text=restored, restored=restorer.restored, unknown=restorer.unknown))

    def _redacted(self, redactor: Redactor, written: str, aliases: Aliases, language: str) -> Redacted:
        return redactor.with_names(self.directory.names()).hide(written, aliases, language=language)

    def _sealed(self, aliases: Aliases, owner: bytes) -> str:
        return urlsafe_b64encode(aliases.sealed(self._key, context=owner)).decode()

    def _opened(self, sealed: str, owner: bytes) -> Aliases:
        try:
            return Aliases.opened(self._key, urlsafe_b64decode(sealed), context=owner)
        except (ValueError, StorageCorrupt):
            raise BadRequest(
                "'map' is not a map that this server gave you.",
                hint="Send the map of the last answer unchanged.",
                param="map",
            ) from None


def redacted_object(redacted: Redacted) -> RedactedObject:
    """The result as every door shows it: places are counted in characters of the original text."""
    return {
        "text": redacted.text,
        "entities": [
            {
                "entity_type": entity.entity_type,
                "start": entity.start,
                "end": entity.end,
                "score": round(entity.score, 2),
                "action": entity.action.value,
                "alias": entity.alias,
            }
            for entity in redacted.entities
        ],
    }


def _owner(request: Request) -> bytes:
    return b"aliases:" + caller_of(request).user_id.encode()
