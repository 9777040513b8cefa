"""The organisation's own directory: the names that redaction finds however they are written.

The people of the installation, and a list that an administrator keeps: colleagues without an account, clients,
patients. The list stands in the encrypted database. Called by the doors, which hand the names to the redactor.
"""

from __future__ import annotations

from collections.abc import Iterable

from intramuros.accounts.users import Users
from intramuros.errors import BadRequest, NotFound
from intramuros.privacy.redact.people import name_words
from intramuros.storage import facts
from intramuros.storage.database import Database

FACT = "directory"
MOST_NAMES = 50_000
LONGEST_NAME = 100


class OrganisationDirectory:
    """The list, and the people of the installation."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database, self._users = database, users

    def names(self) -> list[str]:
        """Everybody redaction should know."""
        return [*(user.name for user in self._users.list()), *self.list()]

    def list(self) -> list[str]:
        """The names of the list, in order."""
        with self._database.read() as connection:
            return list(facts.get(connection, FACT, []))

    def add(self, names: Iterable[str]) -> int:
        """Adds names and says how many were new; what is there already stays.

        Raises: BadRequest for what is no name (a surname alone is a word too: it would hide that word everywhere).
        """
        wanted = [_clean(name) for name in names if name.strip()]
        with self._database.write() as connection:
            known = set(facts.get(connection, FACT, []))
            together = known | set(wanted)
            if len(together) > MOST_NAMES:
                raise BadRequest(f"The directory holds at most {MOST_NAMES:,} names.")
            facts.put(connection, FACT, sorted(together))
        return len(together) - len(known)

    def remove(self, name: str) -> None:
        """Takes a name off the list. Raises: NotFound."""
        with self._database.write() as connection:
            known = facts.get(connection, FACT, [])
            kept = [other for other in known if other != " ".join(name.split())]
            if len(kept) == len(known):
                raise NotFound("This name is not in the directory's list.", hint="See: intramuros directory list")
            facts.put(connection, FACT, kept)


def _clean(name: str) -> str:
    clean = " ".join(name.split())
    if len(clean) > LONGEST_NAME or len(name_words(clean)) < 2 or any(c.isdigit() for c in clean):
        raise BadRequest(
            "A name in the directory has a first name and a surname, and no digits.",
            hint="One name a line, such as: Anna Keller",
        )
    return clean
