"""What is kept about one person, for them: a ZIP file with JSON for programs and a page for people to read.

Not in it: the contents of their files and of documents they added, which they can fetch, and secrets they sign in with.
Called by the command line and by the person's own page. It is made while it is sent: nothing of it touches the disk.

Source: GDPR art. 15 and 20; Swiss FADP art. 25 and 28.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_, select

from intramuros.accounts.users import User
from intramuros.errors import NotFound
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import (
    api_keys,
    audit,
    batches,
    break_glass,
    conversations,
    documents,
    external_identities,
    files,
    group_members,
    groups,
    members,
    outside_consents,
    passkeys,
    presets,
    projects,
    quotas,
    sessions,
    usage,
)
from intramuros.tasks.batch import COLUMNS, from_row
from intramuros.tasks.batch_lines import LineStore
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.stored_replies import StoredReplies

FORM = "intramuros-person-1"
_PART = 500
_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}}
.q{{font-weight:600}}.a{{white-space:pre-wrap;margin:0 0 1.5rem}}</style><h1>{title}</h1>"""


@dataclass(frozen=True, slots=True)
class PersonExport:
    """Makes the exports of one installation."""

    database: Database
    conversations: Conversations
    replies: StoredReplies
    keys: SubjectKeys

    def stream(self, person: User) -> Iterator[bytes]:
        """The ZIP file, piece by piece."""
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, pieces in (("data.json", self._json(person)), ("index.html", self._page(person))):
                with archive.open(_entry(name), "w", force_zip64=True) as file:
                    for piece in pieces:
                        file.write(piece.encode())
                        yield sink.taken()
                yield sink.taken()
        yield sink.taken()

    def sections(self, person: User) -> dict[str, list[dict[str, Any]]]:
        """All but conversations, replies, lines of batches and the audit, by name: short lists."""
        own_keys = select(api_keys.c.id).where(api_keys.c.user_id == person.id)

        def counted(table: Table) -> ColumnElement[bool]:
            of_key = and_(table.c.kind == "key", table.c.subject.in_(own_keys))
            return or_(and_(table.c.kind == "user", table.c.subject == person.id), of_key)

        mine = {
            "memberships": select(projects.c.id, projects.c.name, members.c.role)
            .join(members, members.c.project_id == projects.c.id)
            .where(members.c.user_id == person.id),
            "groups": select(groups.c.id, groups.c.name)
            .join(group_members, group_members.c.group_id == groups.c.id)
            .where(group_members.c.user_id == person.id),
            "keys": select(
                api_keys.c.id, api_keys.c.name, api_keys.c.hint, api_keys.c.created_at, api_keys.c.expires_at,
                api_keys.c.revoked_at, api_keys.c.last_used_at,
            ).where(api_keys.c.user_id == person.id),
            "presets": select(
                presets.c.name, presets.c.model, presets.c.system, presets.c.parameters, presets.c.messages,
                presets.c.adapter, presets.c.created_at, presets.c.updated_at,
            ).where(presets.c.owner_id == person.id),
            "sessions": select(sessions.c.created_at, sessions.c.expires_at).where(sessions.c.user_id == person.id),
            "passkeys": select(
                passkeys.c.name, passkeys.c.site, passkeys.c.created_at, passkeys.c.last_used_at
            ).where(passkeys.c.user_id == person.id),
            "identities_elsewhere": select(
                external_identities.c.issuer, external_identities.c.subject, external_identities.c.created_at
            ).where(external_identities.c.user_id == person.id),
            "consents": select(
                outside_consents.c.upstream, outside_consents.c.key_id, outside_consents.c.created_at
            ).where(or_(outside_consents.c.user_id == person.id, outside_consents.c.key_id.in_(own_keys))),
            "looked_at_by": select(
                break_glass.c.user_name, break_glass.c.reason, break_glass.c.created_at, break_glass.c.expires_at,
                break_glass.c.ended_at,
            ).where(break_glass.c.subject_id == person.id),
            "quotas": select(quotas).where(counted(quotas)),
            "usage": select(usage).where(counted(usage)).order_by(usage.c.day),
            "files": select(
                files.c.id, files.c.name, files.c.purpose, files.c.size_bytes, files.c.created_at, files.c.expires_at
            ).where(files.c.user_id == person.id),
            "batches": select(
                batches.c.id, batches.c.endpoint, batches.c.state, batches.c.total, batches.c.completed,
                batches.c.failed, batches.c.created_at,
            ).where(batches.c.user_id == person.id),
            "documents_added": select(documents.c.id, documents.c.name, documents.c.project_id, documents.c.created_at)
            .where(documents.c.added_by == person.id),
        }  # fmt: skip
        with self.database.read() as connection:
            return {name: [dict(row._mapping) for row in connection.execute(query)] for name, query in mine.items()}

    def _talks(self, person: User) -> Iterator[dict[str, Any]]:
        query = (
            select(conversations, projects.c.name)
            .join(projects)
            .where(conversations.c.user_id == person.id)
            .order_by(conversations.c.created_at)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            turns = self.conversations.read(row.id, project_id=row.project_id, user_id=person.id)
            yield {
                "id": row.id,
                "project": row.name,
                "created_at": row.created_at,
                "turns": [
                    {"question": turn.question, "answer": turn.answer, "created_at": turn.created_at} for turn in turns
                ],
            }

    def _replies(self, person: User) -> Iterator[dict[str, Any]]:
        """What their programs had stored."""
        for reply in self.replies.of_person(person.id):
            yield {"id": reply.id, "kind": reply.kind, "created_at": reply.created_at, "stored": reply.body}

    def _lines(self, person: User) -> Iterator[dict[str, Any]]:
        """What is still stored of batches that are not over; what they wrote stands in their files."""
        query = select(*COLUMNS).where(batches.c.user_id == person.id).order_by(batches.c.created_at)
        with self.database.read() as connection:
            found = [from_row(row) for row in connection.execute(query)]
        for batch in found:
            with contextlib.suppress(NotFound):  # its key is gone: it is being erased
                for line in LineStore(self.database, self.keys, batch, worker="").all():
                    yield {"batch": batch.id, "line": line.number, "request": line.request, "reply": line.reply}

    def _records(self, person: User) -> Iterator[dict[str, Any]]:
        """The audit's records of what they did."""
        last = 0
        columns = (audit.c.sequence, audit.c.at, audit.c.action, audit.c.object, audit.c.outcome, audit.c.facts)
        while True:
            query = select(*columns).where(audit.c.actor == person.id, audit.c.sequence > last)
            with self.database.read() as connection:
                rows = connection.execute(query.order_by(audit.c.sequence).limit(_PART)).all()
            if not rows:
                return
            yield from (dict(row._mapping) for row in rows)
            last = rows[-1].sequence

    def _json(self, person: User) -> Iterator[str]:
        head = {"form": FORM, "made_at": round(time.time(), 3), "profile": _profile(person), **self.sections(person)}
        yield json.dumps(head, ensure_ascii=False, indent=1)[:-2]
        lists = {
            "conversations": self._talks(person),
            "stored_replies": self._replies(person),
            "batch_lines": self._lines(person),
            "audit": self._records(person),
        }
        for name, items in lists.items():
            yield f',\n "{name}": ['
            for number, item in enumerate(items):
                yield ("," if number else "") + "\n  " + json.dumps(item, ensure_ascii=False)
            yield "]"
        yield "\n}\n"

    def _page(self, person: User) -> Iterator[str]:
        yield _HEAD.format(title=escape(f"Data of {person.name}"))
        yield _table("profile", [_profile(person)])
        for name, rows in self.sections(person).items():
            yield _table(name, rows)
        yield "<h2>conversations</h2>"
        for talk in self._talks(person):
            yield f"<h3>{escape(talk['project'])}, {_moment(talk['created_at'])}</h3>"
            for turn in talk["turns"]:
                yield f'<p class="q">{escape(str(turn["question"]))}</p>'
                yield f'<p class="a">{escape(str(turn["answer"].get("answer", "")))}</p>'
        yield "<h2>stored replies</h2>"
        for reply in self.replies.of_person(person.id):
            yield f"<h3>{escape(reply.model or reply.kind)}, {_moment(reply.created_at)}</h3>"
            if reply.kind == "conversation":
                for item in reply.body["items"]:
                    yield f'<p class="a">{escape(json.dumps(item, ensure_ascii=False))}</p>'
                continue
            yield f'<p class="q">{escape(str(reply.body.get("asked", "")))}</p>'
            yield f'<p class="a">{escape(str(reply.body.get("said", "")))}</p>'
        yield "<h2>lines of batches</h2>"
        for line in self._lines(person):
            yield f"<h3>{escape(line['batch'])}, {line['line']}</h3>"
            yield f'<p class="a">{escape(json.dumps([line["request"], line["reply"]], ensure_ascii=False))}</p>'
        yield "<h2>audit</h2><table><tr><th>when<th>action<th>outcome</tr>"
        for record in self._records(person):
            yield f"<tr><td>{_moment(record['at'])}<td>{escape(record['action'])}<td>{escape(record['outcome'])}</tr>"
        yield "</table></html>"


class _Sink(io.RawIOBase):
    """Where the archive is written: a buffer that is emptied as it goes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Keeps a copy until it is taken."""
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _profile(person: User) -> dict[str, Any]:
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "role": person.role,
        "language": person.language,
        "created_at": person.created_at,
        "is_suspended": person.is_suspended,
    }


def _table(name: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(column.replace('_', ' '))}" for column in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(column, value)}" for column, value in row.items()) + "</tr>" for row in rows
    )
    return f"<h2>{escape(name.replace('_', ' '))}</h2><table><tr>{head}</tr>{body}</table>"


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    return _moment(value) if column.endswith("_at") else escape(str(value))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
