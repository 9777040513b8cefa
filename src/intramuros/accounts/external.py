"""People as another system knows them: an OpenID Connect provider, or a directory.

Called by the sign-ins with either. Finds or makes the account that belongs to them, and has its role and groups follow
what the other system says. It knows no protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.groups import Groups
from intramuros.accounts.users import ROLES, User, Users
from intramuros.errors import NotAllowed, SettingsError
from intramuros.storage.database import Database
from intramuros.storage.schema import external_identities, now

ASK = "Ask an administrator to add you."


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is elsewhere. `subject` never changes and is never given to another person; an e-mail may be."""

    issuer: str
    subject: str
    email: str
    name: str
    is_email_verified: bool
    groups: tuple[str, ...] = ()
    is_strong: bool = False  # whether they showed a second factor there


@dataclass(frozen=True, slots=True)
class Policy:
    """Whether unknown people get an account, and which role comes from which group there; none: roles are kept here."""

    creates: bool = True
    roles: Mapping[str, str] = field(default_factory=dict)

    def role(self, groups: tuple[str, ...]) -> str | None:
        """The highest role that the groups give; member where none does; none where roles are kept here."""
        if not self.roles:
            return None
        has = {group.casefold() for group in groups}
        given = {role for role, group in self.roles.items() if group.casefold() in has}
        return next((role for role in ROLES if role in given), "member")


def roles_from(text: str | None) -> dict[str, str]:
    """Reads `administrator=IT; auditor=Compliance`. Raises: SettingsError."""
    found = {}
    for part in filter(None, (part.strip() for part in (text or "").split(";"))):
        role, _, group = (side.strip() for side in part.partition("="))
        if role not in ROLES or role == "service" or not group:
            raise SettingsError(
                f"{part!r} gives no role to a group.",
                hint="Write INTRAMUROS_SSO_ROLES like: administrator=IT Admins; auditor=Compliance",
            )
        found[role] = group
    return found


class ExternalPeople:
    """The accounts of people who sign in elsewhere."""

    def __init__(self, database: Database, users: Users, groups: Groups, policy: Policy) -> None:
        self._database, self._users, self._groups, self._policy = database, users, groups, policy

    def user_for(self, identity: Identity) -> User:
        """The account of this person; it is made, or an existing one of the same verified address is taken.

        Raises: NotAllowed if there is none and none is made, if the address is not verified there, or if the account is
        suspended or a service's; Conflict if the last administrator would lose that role.
        """
        user = self._known(identity) or self._linked(identity) or self._made(identity)
        if user.is_suspended or user.is_service:
            raise NotAllowed("This account can't sign in.", hint=ASK, code="account_closed")
        role = self._policy.role(identity.groups)
        if role is not None and role != user.role:
            self._users.set_role(user.id, role)
            user = self._users.get(user.id)
        self._groups.set_external(user.id, identity.groups)
        return user

    def _known(self, identity: Identity) -> User | None:
        table = external_identities.c
        statement = select(table.user_id).where(table.issuer == identity.issuer, table.subject == identity.subject)
        with self._database.read() as connection:
            user_id = connection.scalar(statement)
        return None if user_id is None else self._users.get(user_id)

    def _linked(self, identity: Identity) -> User | None:
        user = self._users.by_email(identity.email)
        if user is None:
            return None
        if not identity.is_email_verified:
            raise NotAllowed(
                "An account has this address, and the sign-in service does not vouch for it.",
                hint="Have it verified there, or set INTRAMUROS_OIDC_TRUST_EMAIL if that service's addresses are sure.",
                code="email_not_verified",
            )
        self._link(identity, user)
        return user

    def _made(self, identity: Identity) -> User:
        if not self._policy.creates:
            raise NotAllowed("There is no account for you here.", hint=ASK, code="no_account")
        role = self._policy.role(identity.groups) or "member"
        user = self._users.create_external(identity.email, identity.name or identity.email, role=role)
        self._link(identity, user)
        return user

    def _link(self, identity: Identity, user: User) -> None:
        values = {"issuer": identity.issuer, "subject": identity.subject, "user_id": user.id, "created_at": now()}
        try:
            with self._database.write(durable=True) as connection:
                connection.execute(insert(external_identities).values(values))
        except IntegrityError:  # at the same time, in another tab
            if self._known(identity) is None:
                raise
