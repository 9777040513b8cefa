"""Which rows belong to a project, a person, a document or a conversation: the one list of it.

Called by erasure, which counts and removes them, and by backups, which seal them under their subject's key. A new table
that holds content gets a line here. The full-text rows have the numbers of their `chunks`.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, String, Table, cast, func, or_, select, union_all

from intramuros.storage.schema import (
    api_keys,
    attached_files,
    batch_lines,
    batches,
    break_glass,
    chunks,
    conversation_aliases,
    conversations,
    documents,
    enrolments_due,
    external_identities,
    files,
    group_grants,
    group_members,
    members,
    one_time_codes,
    outside_consents,
    pages,
    passkeys,
    presets,
    projects,
    recovery_codes,
    sessions,
    steps,
    stored_replies,
    turns,
    users,
    vectors,
)

SIGNING_IN = (sessions, steps, one_time_codes, recovery_codes, passkeys, enrolments_due, external_identities)
"""What a person signs in with, besides their password."""


class Belonging(NamedTuple):
    """The rows of one table that meet a condition."""

    table: Table
    condition: ColumnElement[bool]


def of_document(document_id: str) -> list[Belonging]:
    """What was made of a document and written on it, and its own row last."""
    written = Belonging(attached_files, attached_files.c.document_id == document_id)
    return [written, *_documents(documents.c.id == document_id)]


def of_conversation(conversation_id: str) -> list[Belonging]:
    """The aliases and turns of a conversation, and its own row last."""
    return _conversations(conversations.c.id == conversation_id)


def of_project(project_id: str) -> list[Belonging]:
    """Its documents and conversations, replies made from them, who belongs to it, and its own row last."""
    return [
        *_conversations(conversations.c.project_id == project_id),
        Belonging(attached_files, attached_files.c.project_id == project_id),
        Belonging(stored_replies, made_from(project_id)),
        *_documents(documents.c.project_id == project_id),
        Belonging(members, members.c.project_id == project_id),
        Belonging(group_grants, group_grants.c.project_id == project_id),
        Belonging(break_glass, break_glass.c.project_id == project_id),
        Belonging(outside_consents, outside_consents.c.project_id == project_id),
        Belonging(projects, projects.c.id == project_id),
    ]


def of_user(user_id: str) -> list[Belonging]:
    """A person's conversations, stored replies, files, batches, sign-in, keys, presets, memberships; their row last.

    Documents are their projects'.
    """
    theirs = select(batches.c.id).where(batches.c.user_id == user_id)
    return [
        Belonging(batch_lines, batch_lines.c.batch_id.in_(theirs)),
        Belonging(batches, batches.c.user_id == user_id),
        Belonging(files, files.c.user_id == user_id),
        *_conversations(conversations.c.user_id == user_id),
        Belonging(stored_replies, stored_replies.c.user_id == user_id),
        *(Belonging(table, table.c.user_id == user_id) for table in SIGNING_IN),
        Belonging(outside_consents, _agreed(user_id)),
        Belonging(api_keys, api_keys.c.user_id == user_id),
        Belonging(presets, presets.c.owner_id == user_id),
        Belonging(members, members.c.user_id == user_id),
        Belonging(group_members, group_members.c.user_id == user_id),
        Belonging(break_glass, break_glass.c.subject_id == user_id),
        Belonging(users, users.c.id == user_id),
    ]


def stored_files(connection: Connection) -> set[str]:
    """The names of all encrypted files that somebody's row stands for."""
    return set(connection.scalars(union_all(select(documents.c.blob_id), select(files.c.blob_id))))


def _agreed(user_id: str) -> ColumnElement[bool]:
    keys = select(api_keys.c.id).where(api_keys.c.user_id == user_id)
    return or_(outside_consents.c.user_id == user_id, outside_consents.c.key_id.in_(keys))


def made_from(project_id: str) -> ColumnElement[bool]:
    """Which stored replies were made from passages of a project."""
    return func.instr(cast(stored_replies.c.projects, String), f'"{project_id}"') > 0


def _documents(which: ColumnElement[bool]) -> list[Belonging]:
    ids = select(documents.c.id).where(which)
    made = chunks.c.document_id.in_(ids)
    return [
        Belonging(vectors, vectors.c.chunk_id.in_(select(chunks.c.id).where(made))),
        Belonging(chunks, made),
        Belonging(pages, pages.c.document_id.in_(ids)),
        Belonging(documents, which),
    ]


def _conversations(which: ColumnElement[bool]) -> list[Belonging]:
    ids = select(conversations.c.id).where(which)
    return [
        Belonging(conversation_aliases, conversation_aliases.c.conversation_id.in_(ids)),
        Belonging(turns, turns.c.conversation_id.in_(ids)),
        Belonging(conversations, which),
    ]
