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

RULES = (
    Rule("GET", "/health", "health", Access.PUBLIC, audited=False),
    Rule("GET", "/metrics", "metrics", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    # The OpenAI door.
    Rule("POST", "/v1/chat/completions", "chat", scope=Scope.CHAT, spends=True),
    Rule("GET", "/v1/chat/completions", "completions.list", scope=Scope.CHAT),
    Rule("GET", "/v1/chat/completions/{completion}", "completion.show", scope=Scope.CHAT),
    Rule("POST", "/v1/chat/completions/{completion}", "completion.change", scope=Scope.CHAT),
    Rule("DELETE", "/v1/chat/completions/{completion}", "completion.remove", scope=Scope.CHAT),
    Rule("GET", "/v1/chat/completions/{completion}/messages", "completion.show", scope=Scope.CHAT),
    Rule("POST", "/v1/responses", "respond", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/responses/input_tokens", "respond.count", scope=Scope.CHAT),
    Rule("POST", "/v1/responses/compact", "respond.compact", scope=Scope.CHAT, spends=True),
    Rule("GET", "/v1/responses/{response}", "response.show", scope=Scope.CHAT),
    Rule("DELETE", "/v1/responses/{response}", "response.remove", scope=Scope.CHAT),
    Rule("POST", "/v1/responses/{response}/cancel", "response.cancel", scope=Scope.CHAT),
    Rule("GET", "/v1/responses/{response}/input_items", "response.show", scope=Scope.CHAT),
    Rule("POST", "/v1/conversations", "dialogue.create", scope=Scope.CHAT),
    Rule("GET", "/v1/conversations/{dialogue}", "dialogue.show", scope=Scope.CHAT),
    Rule("POST", "/v1/conversations/{dialogue}", "dialogue.change", scope=Scope.CHAT),
    Rule("DELETE", "/v1/conversations/{dialogue}", "dialogue.remove", scope=Scope.CHAT),
    Rule("GET", "/v1/conversations/{dialogue}/items", "dialogue.show", scope=Scope.CHAT),
    Rule("POST", "/v1/conversations/{dialogue}/items", "dialogue.add", scope=Scope.CHAT),
    Rule("GET", "/v1/conversations/{dialogue}/items/{item}", "dialogue.show", scope=Scope.CHAT),
    Rule("DELETE", "/v1/conversations/{dialogue}/items/{item}", "dialogue.take_out", scope=Scope.CHAT),
    Rule("POST", "/v1/completions", "complete", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/embeddings", "embed", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/rerank", "rerank", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/moderations", "moderate", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/audio/speech", "speak", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/audio/transcriptions", "transcribe", body=Body.UPLOAD, scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/audio/translations", "translate", body=Body.UPLOAD, scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/images/generations", "draw", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/images/edits", "draw", body=Body.UPLOAD, scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/images/variations", "draw", body=Body.UPLOAD, scope=Scope.CHAT, spends=True),
    Rule("GET", "/v1/models", "models.list", scope=Scope.CHAT),
    Rule("GET", "/v1/models/{model:path}", "models.show", scope=Scope.CHAT),
    Rule("DELETE", "/v1/models/{model:path}", "model.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/v1/files", "file.add", body=Body.UPLOAD, scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/files", "files.list", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/files/{file}", "file.show", scope=Scope.DOCUMENTS),
    Rule("DELETE", "/v1/files/{file}", "file.remove", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/files/{file}/content", "file.content", scope=Scope.DOCUMENTS),
    Rule("POST", "/v1/batches", "batch.create", scope=Scope.CHAT),
    Rule("GET", "/v1/batches", "batches.list", scope=Scope.CHAT),
    Rule("GET", "/v1/batches/{batch}", "batch.show", scope=Scope.CHAT),
    Rule("POST", "/v1/batches/{batch}/cancel", "batch.cancel", scope=Scope.CHAT),
    # Vector stores: projects, by the names of the OpenAI door.
    Rule("POST", "/v1/vector_stores", "project.create", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/vector_stores", "projects.list", scope=Scope.SEARCH),
    Rule("GET", "/v1/vector_stores/{store}", "project.show", scope=Scope.SEARCH),
    Rule("POST", "/v1/vector_stores/{store}", "project.change", scope=Scope.DOCUMENTS),
    Rule("DELETE", "/v1/vector_stores/{store}", "project.remove", scope=Scope.ADMIN, recent=True),
    Rule("POST", "/v1/vector_stores/{store}/search", "search", scope=Scope.SEARCH),
    Rule("POST", "/v1/vector_stores/{store}/files", "document.add", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/vector_stores/{store}/files", "documents.list", scope=Scope.SEARCH),
    Rule("GET", "/v1/vector_stores/{store}/files/{file}", "document.show", scope=Scope.SEARCH),
    Rule("POST", "/v1/vector_stores/{store}/files/{file}", "document.describe", scope=Scope.DOCUMENTS),
    Rule("DELETE", "/v1/vector_stores/{store}/files/{file}", "document.remove", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/vector_stores/{store}/files/{file}/content", "document.content", scope=Scope.SEARCH),
    Rule("POST", "/v1/vector_stores/{store}/file_batches", "document.add", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/vector_stores/{store}/file_batches/{batch}", "documents.list", scope=Scope.SEARCH),
    Rule("POST", "/v1/vector_stores/{store}/file_batches/{batch}/cancel", "documents.cancel", scope=Scope.DOCUMENTS),
    Rule("GET", "/v1/vector_stores/{store}/file_batches/{batch}/files", "documents.list", scope=Scope.SEARCH),
    # The Ollama door.
    Rule("POST", "/api/chat", "chat", scope=Scope.CHAT, spends=True),
    Rule("POST", "/api/generate", "chat", scope=Scope.CHAT, spends=True),
    Rule("POST", "/api/embed", "embed", scope=Scope.CHAT, spends=True),
    Rule("POST", "/api/embeddings", "embed", scope=Scope.CHAT, spends=True),
    Rule("GET", "/api/tags", "models.list", scope=Scope.CHAT),
    Rule("POST", "/api/show", "models.show", scope=Scope.CHAT),
    Rule("GET", "/api/ps", "models.list", scope=Scope.CHAT),
    Rule("GET", "/api/version", "version", scope=Scope.CHAT),
    Rule("POST", "/api/pull", "model.pull", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/create", "model.create", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/copy", "preset.create", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("DELETE", "/api/delete", "model.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/push", "model.push", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("GET", "/api/blobs/{digest}", "model.upload.find", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/blobs/{digest}", "model.upload", Access.ADMINISTRATOR, body=Body.MODEL, scope=Scope.ADMIN),
    # The Anthropic door, beside the models above.
    Rule("POST", "/v1/messages", "chat", scope=Scope.CHAT, spends=True),
    Rule("POST", "/v1/messages/count_tokens", "count", scope=Scope.CHAT),
    Rule("GET", "/v1/messages/batches", "batches.list", scope=Scope.CHAT),
    Rule("POST", "/v1/messages/batches", "batch.create", body=Body.UPLOAD, scope=Scope.CHAT),
    Rule("GET", "/v1/messages/batches/{messagebatch}", "batch.show", scope=Scope.CHAT),
    Rule("DELETE", "/v1/messages/batches/{messagebatch}", "batch.remove", scope=Scope.CHAT),
    Rule("POST", "/v1/messages/batches/{messagebatch}/cancel", "batch.cancel", scope=Scope.CHAT),
    Rule("GET", "/v1/messages/batches/{messagebatch}/results", "batch.results", scope=Scope.CHAT),
    # The MCP door. Nothing is there to GET or DELETE, which needs no record.
    Rule("POST", "/mcp", "mcp", scope=Scope.SEARCH, spends=True, told_by_body=True),
    Rule("GET", "/mcp", "mcp.listen", Access.PUBLIC, audited=False),
    Rule("DELETE", "/mcp", "mcp.end", Access.PUBLIC, audited=False),
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
    Rule("DELETE", "/api/v1/projects/{project}", "project.remove", scope=Scope.ADMIN, recent=True),
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
    Rule("DELETE", "/api/v1/users/{user}", "user.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN, recent=True),
    Rule("PUT", "/api/v1/users/{user}/role", "user.role", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/suspend", "user.suspend", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/resume", "user.resume", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/reset-factor", "user.reset_factor", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/sign-out", "user.sign_out", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/users/{user}/reach", "view_as", scope=Scope.ADMIN),
    Rule("POST", "/api/v1/users/{user}/search", "view_as.search", scope=Scope.ADMIN),
    Rule("GET", "/api/v1/groups", "groups.list", Access.OVERSEER, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/groups", "group.create", Access.MANAGER, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/groups/{group}", "group.show", Access.OVERSEER, scope=Scope.ADMIN),
    Rule("PATCH", "/api/v1/groups/{group}", "group.change", Access.MANAGER, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/groups/{group}", "group.remove", Access.MANAGER, scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/groups/{group}/members/{user}", "group.add", Access.MANAGER, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/groups/{group}/members/{user}", "group.leave", Access.MANAGER, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/quotas", "quotas.list", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/quotas/{kind}/{subject}", "quota.show", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/quotas/{kind}/{subject}", "quota.set", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/quotas/{kind}/{subject}", "quota.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/usage", "usage.show", scope=Scope.CHAT),
    # Models under names of their own. Those for everyone only administrators change, with the scope `admin`.
    Rule("GET", "/api/v1/presets", "presets.list", scope=Scope.CHAT),
    Rule("POST", "/api/v1/presets", "preset.create", scope=Scope.CHAT),
    Rule("GET", "/api/v1/presets/{preset:path}", "preset.show", scope=Scope.CHAT),
    Rule("PATCH", "/api/v1/presets/{preset:path}", "preset.change", scope=Scope.CHAT),
    Rule("DELETE", "/api/v1/presets/{preset:path}", "preset.remove", scope=Scope.CHAT),
    Rule("GET", "/api/v1/break-glass", "break_glass.list", Access.AUDITOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/break-glass", "break_glass.begin", Access.ADMINISTRATOR, scope=Scope.BROWSER, recent=True),
    Rule("POST", "/api/v1/break-glass/{access}/end", "break_glass.end", scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/projects/{project}/conversations/{conversation}", "erase.conversation", scope=Scope.SEARCH),
    Rule("GET", "/api/v1/projects/{project}/retention", "retention.show", scope=Scope.SEARCH),
    Rule("PUT", "/api/v1/projects/{project}/retention", "retention.set", scope=Scope.DOCUMENTS),
    Rule("GET", "/api/v1/receipts", "erase.receipts", Access.AUDITOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/receipts/{receipt}", "erase.receipt", Access.AUDITOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/upstreams", "upstreams.list", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/upstreams", "upstream.add", Access.ADMINISTRATOR, scope=Scope.ADMIN, recent=True),
    Rule("PATCH", "/api/v1/upstreams/{upstream}", "upstream.set", Access.ADMINISTRATOR, scope=Scope.ADMIN, recent=True),
    Rule("DELETE", "/api/v1/upstreams/{upstream}", "upstream.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/upstreams/{upstream}/test", "upstream.test", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule(
        "POST",
        "/api/v1/upstreams/{upstream}/rename",
        "upstream.rename",
        Access.ADMINISTRATOR,
        scope=Scope.ADMIN,
        recent=True,
    ),
    Rule(
        "POST",
        "/api/v1/upstreams/{upstream}/consents",
        "consent.give",
        Access.ADMINISTRATOR,
        scope=Scope.ADMIN,
        recent=True,
    ),
    Rule(
        "POST",
        "/api/v1/upstreams/{upstream}/consents/withdraw",
        "consent.withdraw",
        Access.ADMINISTRATOR,
        scope=Scope.ADMIN,
    ),
    Rule("GET", "/api/v1/routes", "routes.list", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("GET", "/api/v1/routes/{route:path}", "routes.show", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("PUT", "/api/v1/routes/{route:path}", "route.set", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("DELETE", "/api/v1/routes/{route:path}", "route.remove", Access.ADMINISTRATOR, scope=Scope.ADMIN),
    Rule("POST", "/api/v1/routes/{route:path}/rename", "route.rename", Access.ADMINISTRATOR, scope=Scope.ADMIN),
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
    Rule("POST", "/projects/{project}/ask", "answer", spends=True),
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
    Rule("GET", "/presets", "presets.list"),
    Rule("POST", "/presets", "preset.create"),
    Rule("GET", "/presets/{preset}", "preset.show"),
    Rule("POST", "/presets/{preset}", "preset.change"),
    Rule("POST", "/presets/{preset}/try", "preset.try", spends=True),
    Rule("POST", "/presets/{preset}/remove", "preset.remove"),
    Rule("GET", "/models/installed/{model}", "models.show"),
    Rule("POST", "/models/installed/{model}/parts", "part.install", Access.ADMINISTRATOR),
    Rule("POST", "/models/installed/{model}/parts/remove", "part.remove", Access.ADMINISTRATOR),
    Rule("POST", "/models/installed/{model}/upload", "part.install", Access.ADMINISTRATOR, body=Body.MODEL),
    Rule("POST", "/models/load", "model.load", Access.ADMINISTRATOR),
    Rule("POST", "/models/unload", "model.unload", Access.ADMINISTRATOR),
    Rule("POST", "/models/pin", "model.pin", Access.ADMINISTRATOR),
    Rule("GET", "/keys", "keys.list"),
    Rule("POST", "/keys", "key.create", recent=True),
    Rule("POST", "/keys/{key}/revoke", "key.revoke"),
    Rule("GET", "/batches", "batches.list"),
    Rule("GET", "/batches/live", "batches.watch"),
    Rule("POST", "/batches", "batch.create", body=Body.UPLOAD),
    Rule("POST", "/batches/upload", "batch.create", body=Body.UPLOAD),
    Rule("GET", "/batches/example", "batches.list"),
    Rule("GET", "/batches/{batch}", "batch.show"),
    Rule("GET", "/batches/{batch}/live", "batches.watch"),
    Rule("GET", "/batches/{batch}/answers", "batch.content"),
    Rule("GET", "/batches/{batch}/failures", "batch.content"),
    Rule("POST", "/batches/{batch}/cancel", "batch.cancel"),
    Rule("GET", "/administration/batches", "batches.list_all", Access.MANAGER),
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
    Rule("GET", "/administration/quotas", "quotas.list", Access.ADMINISTRATOR),
    Rule("POST", "/administration/quotas", "quota.set", Access.ADMINISTRATOR),
    Rule("POST", "/administration/quotas/remove", "quota.remove", Access.ADMINISTRATOR),
    Rule("GET", "/administration/backups", "backup.list", Access.ADMINISTRATOR),
    Rule("POST", "/administration/backups", "backup.start", Access.ADMINISTRATOR),
    Rule("GET", "/administration/upstreams", "upstreams.list", Access.ADMINISTRATOR),
    Rule("POST", "/administration/upstreams", "upstream.add", Access.ADMINISTRATOR, recent=True),
    Rule("GET", "/administration/upstreams/{upstream}", "upstream.show", Access.ADMINISTRATOR),
    Rule("POST", "/administration/upstreams/{upstream}", "upstream.set", Access.ADMINISTRATOR, recent=True),
    Rule("POST", "/administration/upstreams/{upstream}/test", "upstream.test", Access.ADMINISTRATOR),
    Rule("POST", "/administration/upstreams/{upstream}/rename", "upstream.rename", Access.ADMINISTRATOR, recent=True),
    Rule("POST", "/administration/upstreams/{upstream}/remove", "upstream.remove", Access.ADMINISTRATOR),
    Rule("POST", "/administration/upstreams/{upstream}/agree", "consent.give", Access.ADMINISTRATOR, recent=True),
    Rule("POST", "/administration/upstreams/{upstream}/withdraw", "consent.withdraw", Access.ADMINISTRATOR),
    Rule("GET", "/administration/routes", "routes.show", Access.ADMINISTRATOR),
    Rule("POST", "/administration/routes", "route.set", Access.ADMINISTRATOR),
    Rule("POST", "/administration/routes/rename", "route.rename", Access.ADMINISTRATOR),
    Rule("POST", "/administration/routes/remove", "route.remove", Access.ADMINISTRATOR),
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
    Rule("POST", "/people/{user}/sign-out", "user.sign_out", Access.ADMINISTRATOR),
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
