"""The organisation's own directory: the names and addresses that redaction finds however they are written.

The people of the installation, and a list that an administrator keeps: colleagues without an account, clients,
patients. The list stands in the encrypted database. Called by the doors, which hand the names to the redactor; it is
the eraser of its entries: whoever is erased is taken off the list too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from intramuros.accounts.users import Users
from intramuros.errors import BadRequest, NotFound
from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.people import name_words
from intramuros.storage import facts
from intramuros.storage.database import Database
from intramuros.storage.erasable import Sample, Subject, middle

FACT = "directory"
MOST_NAMES = 50_000
LONGEST_NAME = 100
LONGEST_ADDRESS = 254
BETWEEN = ";"
"""Between a name and its e-mail address."""


class OrganisationDirectory:
    """The list, and the people of the installation. An entry is a name, or `name;e-mail`."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database, self._users = database, users

    def names(self) -> list[str]:
        """Everybody redaction should know: names and addresses, each by itself."""
        people = (text for user in self._users.list() for text in (user.name, user.email))
        return [*people, *(part for entry in self.list() for part in entry.split(BETWEEN))]

    def list(self) -> list[str]:
        """The entries of the list, in order."""
        with self._database.read() as connection:
            return list(facts.get(connection, FACT, []))

    def add(self, lines: Iterable[str]) -> int:
        """Adds entries and says how many were new; what is there already stays.

        Shape: a name a line, or a name, `;` or a tab, and an e-mail address, as spreadsheets write it; a first line
        of headings is left out.
        Raises: BadRequest for what is no name (a surname alone is a word too: it would hide that word everywhere).
        """
        wanted = list(_entries(lines))
        with self._database.write() as connection:
            known = set(facts.get(connection, FACT, []))
            together = known | set(wanted)
            if len(together) > MOST_NAMES:
                raise BadRequest(f"The directory holds at most {MOST_NAMES:,} names.", code="directory_full")
            facts.put(connection, FACT, sorted(together))
        return len(together) - len(known)

    def remove(self, entry: str) -> None:
        """Takes an entry off the list, or every entry of a name. Raises: NotFound."""
        wanted = " ".join(entry.split())
        with self._database.write() as connection:
            known = facts.get(connection, FACT, [])
            kept = [other for other in known if wanted not in {other, other.partition(BETWEEN)[0]}]
            if len(kept) == len(known):
                raise NotFound("This name is not in the directory's list.", hint="See: intramuros directory list")
            facts.put(connection, FACT, kept)

    def count(self, subject: Subject) -> Mapping[str, int]:
        """How many entries are a person's."""
        found = self._of(subject)
        return {"directory_entries": len(found)} if found else {}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """The entries as they are stored."""
        for entry in self._of(subject):
            yield Sample("name", middle(json.dumps(entry)[1:-1]))

    def erase(self, subject: Subject) -> None:
        """Takes a person's entries off the list: those of their name, and those of their address."""
        gone = set(self._of(subject))
        if not gone:
            return
        with self._database.write(durable=True, erasing=True) as connection:
            facts.put(connection, FACT, [entry for entry in facts.get(connection, FACT, []) if entry not in gone])

    def _of(self, subject: Subject) -> Sequence[str]:
        user = next((user for user in self._users.list() if user.id == subject.id), None)
        if subject.kind != "user" or user is None:
            return []
        own = {fold(user.name), fold(user.email)}
        return [entry for entry in self.list() if own & {fold(part) for part in entry.split(BETWEEN)}]


def _entries(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        name, *more = [" ".join(part.strip(' "').split()) for part in line.replace("\t", BETWEEN).split(BETWEEN)]
        email = next((part for part in more if part), "")
        if number == 1 and email and "@" not in email:  # the headings of a table
            continue
        if not name and not email:
            continue
        if len(name) > LONGEST_NAME or len(name_words(name)) < 2 or any(c.isdigit() or c in "@\ufffd" for c in name):
            _refuse(number, "a name in the directory has a first name and a surname, and no digits.")
        if email and not _is_address(email):
            _refuse(number, "what stands behind the name is no e-mail address.")
        yield f"{name}{BETWEEN}{email.lower()}" if email else name


def _is_address(text: str) -> bool:
    local, at, host = text.partition("@")
    return bool(local and at and host) and len(text) <= LONGEST_ADDRESS and " " not in text and "@" not in host


def _refuse(number: int, why: str) -> NoReturn:
    raise BadRequest(
        f"Line {number}: {why}",
        hint="One a line, such as: Anna Keller, or Anna Keller;a.keller@example.org",
        code="bad_directory_line",
        line=number,
    )
