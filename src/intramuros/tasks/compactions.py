"""Compactions: what a model reads in the place of a conversation's older part, sealed for its person to send again.

Called by the OpenAI door. Nothing of one is stored: the program keeps it, and can't read it. It opens only for the
person it was made for, under their key and, where it was made from passages of projects, theirs too: when any of them
is erased, it is not opened again. One made from a project that its person may no longer read, or that keeps
conversations no longer, isn't either.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Projects
from intramuros.errors import BadRequest, NotFound, StorageCorrupt
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import now, projects
from intramuros.tasks.stored_replies import DAY_S, key_of

_OUTER, _INNER = b"compaction", b"compaction of"


@dataclass(frozen=True, slots=True)
class Opened:
    """Some of them. `texts`: what a model reads of each, by its sealed form; `projects`: all they were made from."""

    texts: Mapping[str, str]
    projects: tuple[str, ...] = ()


class Compactions:
    """Seals and opens them.

    Shape: base64 of `sealed(projects, time, sealed(text))`: the outer under the person's key, the inner under the
    projects' too.
    """

    def __init__(self, database: Database, keys: SubjectKeys, projects: Projects) -> None:
        self._database, self._keys, self._projects = database, keys, projects

    def seal(self, text: str, *, projects: Sequence[str], by: Caller) -> str:
        """A compaction as its program gets it. Raises: NotFound where a project was erased meanwhile."""
        inner = seal(self._key(by, projects, is_known=False), text.encode("utf-8", "surrogatepass"), context=_INNER)
        head = json.dumps({"projects": sorted(set(projects)), "at": now()}).encode()
        outer = seal(self._key(by), len(head).to_bytes(4, "big") + head + inner, context=_OUTER)
        return base64.urlsafe_b64encode(outer).decode()

    def open(self, sealed: Iterable[str], *, by: Caller, param: str) -> Opened:
        """The caller's own. Raises: BadRequest for one that can't be opened: `param` is where they came in."""
        texts: dict[str, str] = {}
        made_from: set[str] = set()
        for one in dict.fromkeys(sealed):
            try:
                texts[one], of = self._open(one, by)
            except (NotFound, StorageCorrupt, binascii.Error, UnicodeEncodeError) as error:
                raise BadRequest(
                    "A compaction can't be opened: it was changed or cut, was not made here for you, or was made from "
                    "a project that is erased, closed to you, or keeps conversations no longer.",
                    hint="Send the messages themselves in its place.",
                    code="invalid_encrypted_content",
                    param=param,
                ) from error
            made_from |= set(of)
        return Opened(texts, tuple(sorted(made_from)))

    def _open(self, sealed: str, by: Caller) -> tuple[str, list[str]]:
        outer = open_sealed(
            self._key(by), base64.b64decode(sealed.encode("ascii"), altchars=b"-_", validate=True), context=_OUTER
        )
        size = int.from_bytes(outer[:4], "big")
        head: dict[str, Any] = json.loads(outer[4 : 4 + size])
        for project in head["projects"]:
            self._check(project, head["at"], by)
        text = open_sealed(self._key(by, head["projects"]), outer[4 + size :], context=_INNER)
        return text.decode("utf-8", "surrogatepass"), head["projects"]

    def _check(self, project: str, at: float, by: Caller) -> None:
        """Raises: NotFound where this caller may not read the project, or its conversations of then are over."""
        self._projects.get(project, by=by)
        with self._database.read() as connection:
            days = connection.scalar(select(projects.c.keep_conversations_days).where(projects.c.id == project))
        if days is not None and at < now() - days * DAY_S:
            raise NotFound("The project keeps conversations no longer.", code="project_not_found")

    def _key(self, by: Caller, projects: Sequence[str] = (), *, is_known: bool = True) -> bytes:
        return derive(key_of(self._keys, by.user_id, projects, is_known=is_known), "compactions")
