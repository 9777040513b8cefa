"""Every route of the server and who may call it: the one table the guard decides by.

A path that is not here needs a signed-in caller and leads nowhere. A test walks the routers and fails when a route is
missing here or a row leads to no route, so nobody can add a page without deciding who may see it.
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
    """How large a request's body may be, by the setting of that name."""

    REQUEST = "request_mib"
    UPLOAD = "upload_mib"


def is_for_programs(path: str) -> bool:
    """Whether this address is one of an API: everything else is a page, or belongs to one."""
    return path.startswith(("/v1/", "/api/", "/privacy/v1/")) or path in {"/health", "/metrics"}


LONG = frozenset({"chat", "selftest", "answer", "search", "redact", "restore"})
"""Actions that may take long before they answer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: the method and path template of a route, and what the guard does about it.

    `recent` routes change how somebody signs in, or open what is others': of whoever is signed in they take a password
    or passkey shown in the last ten minutes. A key shows itself with every request.
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
    recent: bool = False
    enrolling: bool = False
    pattern: Pattern[str] = field(init=False, repr=False, compare=False)

    @property
    def is_long(self) -> bool:
        """Whether it may take long before it answers."""
        return self.action in LONG or self.path.startswith("/v1/")

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", compile_path(self.path)[0])
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

RULES = (
    Rule("GET", "/health", "health", Access.PUBLIC, audited=False),
    Rule("GET", "/metrics", "metrics", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    # The OpenAI door.
    Rule("POST", "/v1/chat/completions", "chat", scope=Scope.CHAT, spends=True),
    Rule("GET", "/v1/models", "models.list", scope=Scope.CHAT),
    Rule("GET", "/v1/models/{model:path}", "models.show", scope=Scope.CHAT),
    # The product's own API.
    Rule("GET", "/api/v1/projects", "projects.list", scope=Scope.SEARCH),
    Rule("POST", "/api/v1/projects", "project.create", scope=Scope.DOCUMENTS),
    Rule("GET", "/api/v1/projects/{project}/documents", "documents.list", scope=Scope.SEARCH),
    Rule("POST", "/api/v1/projects/{project}/documents", "document.add", body=Body.UPLOAD, scope=Scope.DOCUMENTS),
    Rule("GET", "/api/v1/projects/{project}/documents/{document}", "document.show", scope=Scope.SEARCH),
    Rule("DELETE", "/api/v1/projects/{project}/documents/{document}", "document.remove", scope=Scope.DOCUMENTS),
    Rule("POST", "/api/v1/projects/{project}/search", "search", scope=Scope.SEARCH),
    Rule("POST", "/api/v1/projects/{project}/ask", "answer", scope=Scope.SEARCH, spends=True),
    Rule("GET", "/api/v1/projects/{project}", "project.show", scope=Scope.SEARCH),
    Rule("DELETE", "/api/v1/projects/{project}", "project.remove", scope=Scope.ADMIN),
    Rule("GET", "/api/v1/projects/{project}/members", "members.list", scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/projects/{project}/members/{user}", "project.share", scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/projects/{project}/members/{user}", "project.unshare", scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/projects/{project}/groups/{group}", "project.share", scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/projects/{project}/groups/{group}", "project.unshare", scope=Scope.ADMIN),
    # People and groups.
    Rule("GET", "/api/v1/users", "users.list", Access.OVERSEER, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users", "user.add", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/invitations", "user.invite", Access.MANAGER, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/users/{user}", "user.show", Access.OVERSEER, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/users/{user}", "user.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/users/{user}/role", "user.role", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/suspend", "user.suspend", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/resume", "user.resume", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/reset-factor", "user.reset_factor", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/users/{user}/reach", "view_as", scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/search", "view_as.search", scope=Scope.ADMIN),
    Rule("GET", "/api/v1/groups", "groups.list", Access.OVERSEER, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/groups", "group.create", Access.MANAGER, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/groups/{group}", "group.show", Access.OVERSEER, scope=Scope.ADMIN),
    Rule("PATCH", "/api/v1/groups/{group}", "group.change", Access.MANAGER, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/groups/{group}", "group.remove", Access.MANAGER, scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/groups/{group}/members/{user}", "group.add", Access.MANAGER, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/groups/{group}/members/{user}", "group.leave", Access.MANAGER, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/break-glass", "break_glass.list", Access.AUDITOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/break-glass", "break_glass.begin", Access.ADMINISTRATOR, scope=Scope.ADMIN, recent=True),
    Rule("POST", "/api/v1/break-glass/{access}/end", "break_glass.end", scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/projects/{project}/conversations/{conversation}", "erase.conversation", scope=Scope.SEARCH),
    Rule("GET", "/api/v1/projects/{project}/retention", "retention.show", scope=Scope.SEARCH),
    Rule("PUT", "/api/v1/projects/{project}/retention", "retention.set", scope=Scope.DOCUMENTS),
    Rule("GET", "/api/v1/receipts", "erase.receipts", Access.AUDITOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/receipts/{receipt}", "erase.receipt", Access.AUDITOR, scope=Scope.ADMIN),
    Rule("POST", "/privacy/v1/redact", "redact", scope=Scope.PRIVACY),
    Rule("POST", "/privacy/v1/restore", "restore", scope=Scope.PRIVACY),
    # The pages, and what their forms and scripts send.
    Rule("GET", "/static/{version}/{name}", "static", Access.PUBLIC, audited=False),
    Rule("GET", "/sign-in", "sign_in.show", Access.PUBLIC),
    Rule("POST", "/sign-in", "sign_in", Access.PUBLIC),
    Rule("GET", "/sign-in/sso", "sign_in.sso.begin", Access.PUBLIC),
    Rule("GET", "/sign-in/sso/callback", "sign_in.sso", Access.PUBLIC),
    Rule("GET", "/sign-in/second", "sign_in.second.show", Access.PUBLIC),
    Rule("POST", "/sign-in/second", "sign_in.second", Access.PUBLIC),
    Rule("POST", "/sign-in/passkey/options", "sign_in.passkey.begin", Access.PUBLIC),
    Rule("POST", "/sign-in/passkey", "sign_in.passkey", Access.PUBLIC),
    Rule("POST", "/sign-out", "sign_out", enrolling=True),
    Rule("GET", "/first/{token}", "first.show", Access.PUBLIC),
    Rule("POST", "/first/{token}", "first", Access.PUBLIC),
    Rule("GET", "/", "home"),
    Rule("POST", "/projects", "project.create"),
    Rule("POST", "/samples", "samples.add"),
    Rule("GET", "/projects/{project}", "project.show"),
    Rule("POST", "/projects/{project}/ask", "answer"),
    Rule("GET", "/projects/{project}/conversations/{conversation}", "conversation.show"),
    Rule("POST", "/projects/{project}/conversations/{conversation}/remove", "conversation.remove"),
    Rule("POST", "/projects/{project}/documents", "document.add", body=Body.UPLOAD),
    Rule("GET", "/projects/{project}/documents/live", "documents.watch"),
    Rule("GET", "/projects/{project}/documents/{document}", "document.show"),
    Rule("GET", "/projects/{project}/documents/{document}/pages/{page}.png", "page.show"),
    Rule("POST", "/projects/{project}/documents/{document}/remove", "document.remove"),
    Rule("POST", "/privacy/export", "export.user", recent=True),
    Rule("GET", "/receipts", "erase.receipts", Access.AUDITOR),
    Rule("GET", "/receipts/{receipt}", "erase.receipt", Access.AUDITOR),
    Rule("POST", "/receipts/people", "erase.user", Access.ADMINISTRATOR, recent=True),
    Rule("POST", "/projects/{project}/retention", "retention.set"),
    Rule("POST", "/projects/{project}/erase", "erase.project", recent=True),
    Rule("GET", "/models", "models.list"),
    Rule("GET", "/models/live", "models.watch"),
    Rule("POST", "/models/install", "model.install", Access.ADMINISTRATOR),
    Rule("POST", "/models/use", "model.use", Access.ADMINISTRATOR),
    Rule("GET", "/keys", "keys.list"),
    Rule("POST", "/keys", "key.create"),
    Rule("POST", "/keys/{key}/revoke", "key.revoke"),
    Rule("GET", "/privacy", "privacy"),
    Rule("GET", "/privacy/masking", "masking.show"),
    Rule("POST", "/privacy/masking", "redact"),
    Rule("GET", "/administration/directory", "directory.list", Access.ADMINISTRATOR),
    Rule("POST", "/administration/directory", "directory.add", Access.ADMINISTRATOR),
    Rule("POST", "/administration/directory/remove", "directory.remove", Access.ADMINISTRATOR),
    Rule("GET", "/administration", "administration", Access.OVERSEER),
    Rule("GET", "/administration/keys", "keys.list_all", Access.ADMINISTRATOR),
    Rule("POST", "/administration/keys/{key}/limit", "key.limit", Access.ADMINISTRATOR),
    Rule("POST", "/administration/keys/{key}/revoke", "key.revoke", Access.ADMINISTRATOR),
    Rule("GET", "/administration/backups", "backup.list", Access.ADMINISTRATOR),
    Rule("POST", "/administration/backups", "backup.start", Access.ADMINISTRATOR),
    Rule("GET", "/administration/audit", "audit.show", Access.AUDITOR),
    Rule("POST", "/administration/audit/verify", "audit.verify", Access.AUDITOR),
    Rule("GET", "/administration/audit/export", "audit.export", Access.AUDITOR),
    Rule("GET", "/administration/audit/public-key", "audit.public-key", Access.AUDITOR),
    Rule("GET", "/administration/selftest", "selftest.show", Access.AUDITOR),
    Rule("POST", "/administration/selftest", "selftest", Access.AUDITOR),
    Rule("GET", "/administration/isolation", "isolation.show", Access.ADMINISTRATOR),
    Rule("POST", "/administration/isolation", "selftest.isolation", Access.ADMINISTRATOR),
    # How a person signs in.
    Rule("GET", "/account", "account.show", enrolling=True),
    Rule("GET", "/account/prove", "prove.show", enrolling=True),
    Rule("POST", "/account/prove", "prove", enrolling=True),
    Rule("POST", "/account/prove/options", "prove.begin", enrolling=True),
    Rule("POST", "/account/prove/passkey", "prove.passkey", enrolling=True),
    Rule("POST", "/account/codes", "codes.begin", recent=True, enrolling=True),
    Rule("POST", "/account/codes/confirm", "codes.add", recent=True, enrolling=True),
    Rule("POST", "/account/codes/remove", "codes.remove", recent=True),
    Rule("POST", "/account/recovery", "recovery.renew", recent=True),
    Rule("POST", "/account/passkeys/options", "passkey.begin", recent=True, enrolling=True),
    Rule("POST", "/account/passkeys", "passkey.add", recent=True, enrolling=True),
    Rule("POST", "/account/passkeys/{passkey}/remove", "passkey.remove", recent=True),
    Rule("POST", "/account/password", "password.change"),
    Rule("POST", "/account/sessions/end", "session.end_others"),
    Rule("POST", "/account/sessions/{session}/end", "session.end"),
    Rule("GET", "/projects/{project}/sharing", "sharing.show"),
    Rule("POST", "/projects/{project}/sharing", "project.share"),
    Rule("POST", "/projects/{project}/sharing/remove", "project.unshare"),
    Rule("GET", "/people", "users.list", Access.OVERSEER),
    Rule("POST", "/people/invite", "user.invite", Access.MANAGER),
    Rule("POST", "/people/{user}/role", "user.role", Access.ADMINISTRATOR),
    Rule("POST", "/people/{user}/suspend", "user.suspend", Access.ADMINISTRATOR),
    Rule("POST", "/people/{user}/resume", "user.resume", Access.ADMINISTRATOR),
    Rule("POST", "/people/{user}/reset-factor", "user.reset_factor", Access.ADMINISTRATOR, recent=True),
    Rule("GET", "/people/{user}/reach", "view_as"),
    Rule("POST", "/people/{user}/reach", "view_as.search"),
    Rule("GET", "/groups", "groups.list", Access.OVERSEER),
    Rule("POST", "/groups", "group.create", Access.MANAGER),
    Rule("POST", "/groups/{group}/add", "group.add", Access.MANAGER),
    Rule("POST", "/groups/{group}/leave", "group.leave", Access.MANAGER),
    Rule("POST", "/groups/{group}/remove", "group.remove", Access.MANAGER),
    Rule("GET", "/break-glass", "break_glass.list", Access.AUDITOR),
    Rule("POST", "/break-glass", "break_glass.begin", Access.ADMINISTRATOR, recent=True),
    Rule("GET", "/break-glass/{access}", "break_glass.show", Access.ADMINISTRATOR),
    Rule("POST", "/break-glass/{access}/end", "break_glass.end"),
)


class AccessTable:
    """Finds the rule of a request: by the exact path where it can, else by pattern."""

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self.rules = rules
        self._exact = {(rule.method, rule.path): rule for rule in rules if "{" not in rule.path}
        self._patterns = [rule for rule in rules if "{" in rule.path]

    def rule(self, method: str, path: str) -> Rule:
        """The rule for this request; `UNKNOWN` where there is none."""
        if method == "HEAD":
            method = "GET"
        found = self._exact.get((method, path))
        if found is not None:
            return found
        for rule in self._patterns:
            if rule.method == method and rule.pattern.match(path):
                return rule
        return UNKNOWN
