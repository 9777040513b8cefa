"""What an API key may do: scopes, models, projects, and how much of it. Called by `accounts.keys`, read by the guard.

A key never may more than the person it acts for; what stands here only takes away from that. It knows no counts: what
was used is kept by `accounts.usage`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from intramuros.errors import BadRequest, NotAllowed

SCOPES = ("chat", "search", "documents", "privacy", "admin")
DEFAULT_SCOPES = ("chat", "search", "documents", "privacy")
"""What a new key has when nobody says: everything but administration."""

_LARGEST = 10**12
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 100.0
_LONGEST_LIST = 100


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a key, a person, a group or a project may use; None: as much as they like.

    Tokens are those of prompts and answers together, days and months those of UTC. `weight` is no limit: it is the
    share of a model they get while others want it too, against 1 of whoever has none set.
    """

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    euros_per_day: float | None = None
    euros_per_month: float | None = None
    weight: float | None = None

    @property
    def is_of_tokens_or_money(self) -> bool:
        """Whether it limits what answers cost."""
        limits = (self.tokens_per_day, self.tokens_per_month, self.euros_per_day, self.euros_per_month)
        return limits != (None, None, None, None)


@dataclass(frozen=True, slots=True)
class Limit:
    """Whose quota it is: a kind (`accounts.quotas`), an id, and a name to be shown."""

    kind: str
    id: str
    name: str
    quota: Quota

    @property
    def subject(self) -> tuple[str, str]:
        """Under what it is counted."""
        return self.kind, self.id


@dataclass(frozen=True, slots=True)
class Rights:
    """Which doors a key opens. `models` are names and `projects` ids; None: all that its person may use."""

    scopes: frozenset[str] = frozenset(DEFAULT_SCOPES)
    models: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    quota: Quota = Quota()

    def check_scope(self, scope: str) -> None:
        """Raises: NotAllowed that names the scope, if the key has not got it."""
        if scope not in self.scopes:
            raise NotAllowed(
                f"This key lacks the scope '{scope}'.",
                hint=f"Make a key that has it: intramuros keys create NAME --scope {scope}",
                code="missing_scope",
                scope=scope,
            )

    def check_model(self, model: str) -> None:
        """Raises: NotAllowed, if the key may not use this model."""
        if self.models is not None and model not in self.models:
            raise NotAllowed(
                f"This key may not use the model {model}.",
                hint="It may use: " + ", ".join(sorted(self.models)),
                code="model_not_allowed",
            )


EVERYTHING = Rights(scopes=frozenset(SCOPES))
"""The rights of somebody signed in: whatever their role and their projects allow."""


def checked(rights: Rights) -> Rights:
    """The same rights, if they can be stored. Raises: BadRequest that says what is wrong."""
    if not rights.scopes:
        raise BadRequest("A key needs one scope at least.", code="bad_scope")
    if unknown := sorted(rights.scopes - set(SCOPES)):
        raise BadRequest(
            f"There is no scope {unknown[0]!r}.", hint=f"The scopes are {', '.join(SCOPES)}.", code="bad_scope"
        )
    for names in (rights.models, rights.projects):
        if names is not None and not 1 <= len(names) <= _LONGEST_LIST:
            raise BadRequest(f"A list has 1 to {_LONGEST_LIST} entries; leave it out to allow all.", code="bad_limit")
    checked_quota(rights.quota)
    return rights


def checked_quota(quota: Quota) -> Quota:
    """The same quota, if it can be stored. Raises: BadRequest that says what is wrong."""
    for field in fields(Quota):
        value = getattr(quota, field.name)
        if value is None:
            continue
        if field.name == "weight":
            if not LEAST_WEIGHT <= value <= MOST_WEIGHT:
                raise BadRequest(f"A weight is {LEAST_WEIGHT} to {MOST_WEIGHT:.0f}.", code="bad_limit")
        elif field.name.startswith("euros"):
            if not 0 < value <= _LARGEST:
                raise BadRequest("A budget is more than 0 euros; leave it out for no limit.", code="bad_limit")
        elif not (isinstance(value, int) and 1 <= value <= _LARGEST):
            raise BadRequest("A limit is a whole number from 1; leave it out for no limit.", code="bad_limit")
    return quota


def changed(rights: Rights, **values: float | Iterable[str] | None) -> Rights:
    """Other rights: `values` are fields of Rights or of Quota; those left out stay. Raises: BadRequest."""
    quota = {name: value for name, value in values.items() if name in Quota.__slots__}
    lists = {
        name: None if value is None else frozenset(value)  # type: ignore[arg-type]
        for name, value in values.items()
        if name not in quota
    }
    return checked(replace(rights, **lists, quota=replace(rights.quota, **quota)))  # type: ignore[arg-type]
