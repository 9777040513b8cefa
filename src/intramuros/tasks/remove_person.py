"""Removes a person: hands over what only they owned, shuts them out, and erases them, to the receipt.

Called by the API, the pages and the command line: there is no other way for somebody to leave.
"""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.accounts.caller import Caller
from intramuros.accounts.leaving import leave
from intramuros.accounts.users import User
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.receipt import Receipt
from intramuros.storage.database import Database
from intramuros.storage.erasable import Subject


@dataclass(frozen=True, slots=True)
class RemovePerson:
    """An erasure, once what must not be left behind has somebody else."""

    database: Database
    erasure: Erasure

    def run(self, user: User, *, by: Caller, heir: User | None = None) -> tuple[Receipt, int]:
        """Erases them; the receipt, and how many projects the heir owns now.

        Raises: as `accounts.leaving.leave`, before anything is changed; then as `Erasure.run`, and it can be run again.
        """
        inherited = leave(self.database, user, by=by, heir=heir)
        return self.erasure.run(Subject("user", user.id), by=by.user_id), inherited

    def begin(self, user: User, *, by: Caller, heir: User | None = None) -> str:
        """Shuts them out and leaves the rest to the server's schedule. Returns the erasure's id. Raises: as `run`."""
        leave(self.database, user, by=by, heir=heir)
        return self.erasure.begin(Subject("user", user.id), by=by.user_id)
