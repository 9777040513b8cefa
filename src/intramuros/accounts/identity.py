"""Who is asking: the one way from a request's headers to a caller, for every door.

Called by the server's guard and by whoever must look again (a long stream, a socket). A request shows one
credential; if that one is not good, nobody is asking, whatever else it carries. What was found is remembered in memory
and forgotten as soon as any process revokes, closes, suspends or changes anything about people.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeVar

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.sessions import Known, Sessions
from intramuros.security.tokens import same, token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import now

Name = TypeVar("Name")

COOKIE = "intramuros_session"
TLS_COOKIE = f"__Host-{COOKIE}"
"""Over TLS: a browser takes it from this host only, never from a neighbour of its domain, and never over plain HTTP."""

_MAX_REMEMBERED = 4096
_WRITE_EVERY_S = 60.0
_REVISION = "SELECT value FROM facts WHERE name = 'accounts_revision'"


class Identity:
    """Finds the caller of a request. `local_token` is what the machine's own command line shows a running server."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        keys: ApiKeys,
        local_token: str | None = None,
        cookie: str = COOKIE,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._keys = keys
        self._local_token = local_token
        self.cookie = cookie
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, Known] = OrderedDict()
        self._seen_revision = -1
        self._looked: tuple[asyncio.AbstractEventLoop, int, int] | None = None
        self._used: dict[str, float] = {}
        self._seen: dict[bytes, float] = {}
        self._written_at = now()
        self._writer: threading.Thread | None = None
        self._flushing = threading.Lock()

    def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Who is asking, from the headers (names in lower case); None if nobody known.

        The first of these that is there counts: `authorization: Bearer …`, `x-api-key`, `api-key`, the cookie.
        """
        key = _shown_key(headers)
        token = None if key is not None else self.session_token(headers)
        if key is not None:
            if self._local_token is not None and same(key, self._local_token):
                return LOCAL
            return self._found(key, is_key=True)
        return self._found(token, is_key=False) if token else None

    def session_token(self, headers: Mapping[str, str]) -> str | None:
        """The session's token in the cookie, good or not: for signing out and CSRF."""
        return _cookie(headers, self.cookie)

    @property
    def step_cookie(self) -> str:
        """The name of the cookie that a browser has while a sign-in is under way."""
        return f"{self.cookie}_step"

    def step_token(self, headers: Mapping[str, str]) -> str | None:
        """What that cookie holds, good or not."""
        return _cookie(headers, self.step_cookie)

    @property
    def seen_revision(self) -> int:
        """The revision of accounts as the last request found it."""
        return self._seen_revision

    def revision(self) -> int:
        """The revision of accounts now: it grows whenever somebody may do less or other than before."""
        return self._forget_if_changed()

    def flush(self) -> None:
        """Writes when keys and sessions were last used. Called now and then by itself, and at the end by `app`."""
        with self._flushing:
            with self._lock:
                used, seen = dict(self._used), dict(self._seen)
                self._written_at = now()
            self._keys.used(used)
            self._sessions.seen(seen)
            with self._lock:  # not before it is written: meanwhile a session must not look idle
                _forget(self._used, used)
                _forget(self._seen, seen)

    def _found(self, credential: str, *, is_key: bool) -> Caller | None:
        digest = token_hash(f"{is_key}:{credential}")  # a session's token shown as a key is not good
        revision = self._forget_if_changed()
        own = token_hash(credential)
        at = now()
        with self._lock:
            known = self._remembered.get(digest)
            seen_at = self._seen.get(own, 0.0)
        if known is not None and not is_key and self._is_idle(max(known.seen_at, seen_at), at):
            known = None  # unless another process has seen it since
        if known is None:
            known = self._keys.known(credential) if is_key else self._sessions.known(credential)
            if known is None:
                return None
            self._remember(digest, known, revision)
        if known.expires_at <= at:
            return None
        self._note(known.caller, own, at, is_key=is_key)
        return known.caller

    def _is_idle(self, seen_at: float, at: float) -> bool:
        return at - seen_at > self._sessions.idle_s

    def _remember(self, digest: bytes, known: Known, revision: int) -> None:
        """Keeps what was looked up, unless another thread saw a change since: then it may be what was revoked."""
        with self._lock:
            if self._seen_revision == revision:
                self._remembered[digest] = known
                if len(self._remembered) > _MAX_REMEMBERED:
                    self._remembered.popitem(last=False)

    def _forget_if_changed(self) -> int:
        """The revision of accounts now; whatever any process changed since the last request has made it grow."""
        revision = self._look()
        with self._lock:
            if revision != self._seen_revision:
                self._remembered.clear()
                self._seen_revision = revision
        return revision

    def _look(self) -> int:
        """The revision as the database has it, read once for all requests that had come when it was read.

        A request that comes later waits in the event loop's queue behind the call that forgets what was read; what
        this process writes meanwhile makes it read again.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a thread of its own, which shares with nobody
            return self._glance()
        writes, looked = self._database.writes, self._looked
        if looked is not None and looked[:2] == (loop, writes):
            return looked[2]
        revision = self._glance()
        self._looked = (loop, writes, revision)
        loop.call_soon(self._forget_look)
        return revision

    def _forget_look(self) -> None:
        self._looked = None

    def _glance(self) -> int:
        row = self._database.glance(_REVISION)
        return int(row[0]) if row else 0

    def _note(self, caller: Caller, own: bytes, at: float, *, is_key: bool) -> None:
        with self._lock:
            if is_key:
                self._used[caller.credential.removeprefix("key:")] = at
            else:
                self._seen[own] = at
            is_due = at - self._written_at > _WRITE_EVERY_S and (self._writer is None or not self._writer.is_alive())
            if is_due:
                self._written_at = at
                self._writer = threading.Thread(target=self.flush, name="last use", daemon=True)
                self._writer.start()


def _forget(times: dict[Name, float], written: dict[Name, float]) -> None:
    """Takes out what was written and has not changed since."""
    for name, at in written.items():
        if times.get(name) == at:
            del times[name]


def _cookie(headers: Mapping[str, str], wanted: str) -> str | None:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return value or None
    return None


def _shown_key(headers: Mapping[str, str]) -> str | None:
    """The key a program shows; an authorization of another kind is shown too, and is good for nothing."""
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, value = authorization.partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""
    key = headers.get("x-api-key")
    return headers.get("api-key") if key is None else key
