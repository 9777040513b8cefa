"""Which sign-ins with other systems are set up. Called by `app`, which alone knows what they are made of."""

from __future__ import annotations

from typing import Protocol

from intramuros.accounts.external import ExternalPeople, Identity
from intramuros.accounts.users import User
from intramuros.errors import Conflict, NotAllowed


class Directory(Protocol):
    """Something that knows people's passwords."""

    def identity(self, login: str, password: str) -> Identity | None:
        """Who signs in with these; none if they are nobody's. Raises: SignInServiceFailed."""
        ...


class DirectorySignIn:
    """Passwords of a directory, asked when a password is not good here."""

    def __init__(self, directory: Directory, people: ExternalPeople) -> None:
        self._directory, self._people = directory, people

    def __call__(self, login: str, password: str) -> User | None:
        """Whose these are; nobody's where the account may not sign in either. Raises: SignInServiceFailed."""
        identity = self._directory.identity(login, password)
        if identity is None:
            return None
        try:
            return self._people.user_for(identity)
        except (NotAllowed, Conflict):
            return None
