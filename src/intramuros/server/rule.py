"""One row of the access table: a route, who may call it, and what the guard does about it.

Written in `server.access`, read by the guard. What an address says of itself, whose API it is one of, stands here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from re import Pattern

from starlette.routing import compile_path

from intramuros.accounts.caller import Caller


class Access(Enum):
    """Who may call a route."""

    PUBLIC = "anyone"
    SIGNED_IN = "whoever is signed in or sends a key"
    OVERSEER = "auditors, managers and administrators"
    AUDITOR = "auditors and administrators"
    MANAGER = "managers and administrators"
    ADMINISTRATOR = "administrators"

    def admits(self, caller: Caller) -> bool:
        """Whether this caller's role is enough."""
        match self:
            case Access.ADMINISTRATOR:
                return caller.is_administrator
            case Access.MANAGER:
                return caller.is_manager
            case Access.AUDITOR:
                return caller.is_auditor
            case Access.OVERSEER:
                return caller.oversees
            case _:
                return True


class Scope(Enum):
    """What an API key must have been given to call a route (`accounts.rights`)."""

    ANY = "any key"
    CHAT = "chat"
    SEARCH = "search"
    DOCUMENTS = "documents"
    PRIVACY = "privacy"
    ADMIN = "admin"
    BROWSER = "no key: people who are signed in"


class Body(Enum):
    """How large a request's body may be: by the setting of that name, or as large as a model."""

    REQUEST = "request_mib"
    UPLOAD = "upload_mib"
    MODEL = "a model"


def is_for_programs(path: str) -> bool:
    """Whether this address is one of an API: everything else is a page, or belongs to one."""
    return path.startswith(("/v1/", "/api/", "/privacy/v1/")) or path in {"/health", "/metrics", "/mcp"}


def is_ollamas(path: str) -> bool:
    """Whether this address is one of Ollama's API; the product's own stands below a version."""
    return path.startswith("/api/") and not path.startswith("/api/v1/")


LONG = frozenset({"chat", "preset.try", "selftest", "answer", "search", "redact", "restore", "model.pin", "mcp"})
"""Actions that may take long before they answer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: the method and path template of a route, and what the guard does about it.

    `recent` routes change how somebody signs in, open what is others', or erase a person or a project: of whoever is
    signed in they take a password or passkey shown in the last ten minutes. A key shows itself with every request, if
    one may call the route at all.
    `enrolling` routes are all that is open to whoever must set up a second factor first.
    """

    method: str
    path: str
    action: str
    access: Access = Access.SIGNED_IN
    body: Body = Body.REQUEST
    audited: bool = True
    scope: Scope = None  # type: ignore[assignment]  # pages need not say: no key opens them
    spends: bool = False  # may cost tokens
    told_by_body: bool = False  # whether it does shows in the body: the route itself says so (`state["admit"]`)
    recent: bool = False
    enrolling: bool = False
    pattern: Pattern[str] = field(init=False, repr=False, compare=False)
    has_parameters: bool = field(init=False, repr=False, compare=False)

    @property
    def is_long(self) -> bool:
        """Whether it may take long before it answers."""
        may_take_long = self.path.startswith("/v1/") or is_ollamas(self.path)
        return self.action in LONG or (may_take_long and self.method != "DELETE")

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", compile_path(self.path)[0])
        object.__setattr__(self, "has_parameters", "{" in self.path)
        if self.scope is None:
            object.__setattr__(self, "scope", self._default_scope())

    def _default_scope(self) -> Scope:
        """Raises: ValueError for a route of programs, which must say what a key needs."""
        if self.access is Access.PUBLIC or self.path == "(unknown)":
            return Scope.ANY
        if is_for_programs(self.path):
            raise ValueError(f"say which scope a key needs for {self.method} {self.path}")
        return Scope.BROWSER


UNKNOWN = Rule("*", "(unknown)", "unknown")
"""What has no row: refused without a caller, and not found with one."""
