"""Which rows belong to a project, a person, a document or a conversation: the one list of it.

Called by erasure, which counts and removes them, and by backups, which seal them under their subject's key. A new table
that holds content gets a line here. The full-text rows have the numbers of their `chunks`.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, select

from intramuros.storage.schema import (
    api_keys,
    break_glass,
    chunks,
    conversations,
    documents,
    enrolments_due,
    external_identities,
    group_grants,
    group_members,
    members,
    one_time_codes,
    pages,
    passkeys,
    projects,
    recovery_codes,
    sessions,
    steps,
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
    """What was made of a document, and its own row last."""
    return _documents(documents.c.id == document_id)


def of_conversation(conversation_id: str) -> list[Belonging]:
    """The turns of a conversation, and its own row last."""
    return _conversations(conversations.c.id == conversation_id)


def of_project(project_id: str) -> list[Belonging]:
    """Its documents and conversations, who belongs to it, and its own row last."""
    return [
        *_conversations(conversations.c.project_id == project_id),
        *_documents(documents.c.project_id == project_id),
        Belonging(members, members.c.project_id == project_id),
        Belonging(group_grants, group_grants.c.project_id == project_id),
        Belonging(break_glass, break_glass.c.project_id == project_id),
        Belonging(projects, projects.c.id == project_id),
    ]


def of_user(user_id: str) -> list[Belonging]:
    """A person's conversations, what they sign in with, keys, memberships, and their own row last.

    Documents are their projects'.
    """
    return [
        *_conversations(conversations.c.user_id == user_id),
        *(Belonging(table, table.c.user_id == user_id) for table in SIGNING_IN),
        Belonging(api_keys, api_keys.c.user_id == user_id),
        Belonging(members, members.c.user_id == user_id),
        Belonging(group_members, group_members.c.user_id == user_id),
        Belonging(break_glass, break_glass.c.subject_id == user_id),
        Belonging(users, users.c.id == user_id),
    ]


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
    return [Belonging(turns, turns.c.conversation_id.in_(ids)), Belonging(conversations, which)]
