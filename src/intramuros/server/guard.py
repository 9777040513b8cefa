"""The guard around every door: host, caller, permission, size, one audit record, and errors in the door's own shape.

Called by the server for each request, as plain ASGI: what stands here is added to the latency of every one. Behind it a
route finds the caller in `scope["state"]["caller"]` and the open audit record in `scope["state"]["entry"]`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from intramuros.accounts.caller import Caller
from intramuros.accounts.identity import Identity
from intramuros.accounts.prices import FREE, PriceOf
from intramuros.accounts.sessions import PROOF_S
from intramuros.accounts.usage import Usage
from intramuros.api.connected import ClientGone
from intramuros.api.faults import access_ended, known, stopping, unexpected
from intramuros.audit.entry import Entry
from intramuros.audit.record import Audit
from intramuros.engines.asked import ALLOW, Asked, asking
from intramuros.engines.asked import HEADER as OUTSIDE_HEADER
from intramuros.errors import (
    AuditUnavailable,
    IntramurosError,
    NotAllowed,
    NotSignedIn,
    ProofNeeded,
    SecondFactorNeeded,
)
from intramuros.observability.metrics import Metrics
from intramuros.server.access import AccessTable
from intramuros.server.connections import Clients
from intramuros.server.doors import Door, api, door_of
from intramuros.server.exchange import Exchange
from intramuros.server.headers import LOOPBACK_HOSTS, TLS_ONLY, Headers, check_host, check_origin
from intramuros.server.rule import Access, Body, Rule, Scope
from intramuros.server.watch import Watch
from intramuros.storage.schema import now

log = logging.getLogger("intramuros.server")

CLIENT_CLOSED = 499
MULTIPART_ROOM_BYTES = 2**16
MODEL_BYTES = 2**40
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes a request's body may have, by kind."""

    request_bytes: int
    upload_bytes: int

    def of(self, body: Body) -> int:
        """The limit for this kind."""
        if body is Body.MODEL:
            return MODEL_BYTES  # the disk is what bounds them: its room is looked at first
        return self.request_bytes if body is Body.REQUEST else self.upload_bytes + MULTIPART_ROOM_BYTES


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way through the guard."""

    rule: Rule
    door: Door
    scope: Request
    exchange: Exchange
    headers: Mapping[str, str]
    task: asyncio.Task[object]


class Guard:
    """ASGI application around the doors. `hosts` are the names it answers to."""

    def __init__(
        self,
        inner: ASGIApp,
        *,
        identity: Identity,
        audit: Audit,
        metrics: Metrics,
        limits: Limits,
        usage: Usage,
        price_of: PriceOf = lambda _: FREE,
        table: AccessTable | None = None,
        hosts: frozenset[str] = LOOPBACK_HOSTS,
        watch: Watch | None = None,
    ) -> None:
        self.inner, self.identity, self.audit, self.metrics, self.limits = inner, identity, audit, metrics, limits
        self.usage, self.price_of = usage, price_of
        self.table = table or AccessTable()
        self.hosts = hosts
        self.clients = Clients()
        self.watch = watch
        self.open_tasks: set[asyncio.Task[object]] = set()
        metrics.requests_open.set_function(lambda: len(self.open_tasks))

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"There is no {scope['type']} here.")
        started = time.perf_counter()
        rule = self.table.rule(scope["method"], scope["path"])
        headers = _headers(scope)
        door = door_of(scope["path"], headers)
        security = (*door.headers, TLS_ONLY) if scope["scheme"] == "https" else door.headers
        exchange = Exchange(receive, send, limit_bytes=self.limits.of(rule.body), security=security)
        task = asyncio.current_task()
        assert task is not None
        self.open_tasks.add(task)
        self.clients.begin(scope.get("client"), exchange)
        call = _Call(rule, door, scope, exchange, headers, task)
        try:
            await self._answer(call, started)
        except Exception as raised:  # not the route's: those are answered below
            await self._refuse(known(raised), call)
        finally:
            exchange.end()
            self.open_tasks.discard(task)
            self.clients.end(scope.get("client"))
            self.metrics.request(
                route=rule.path,
                method=rule.method,
                status=exchange.status or CLIENT_CLOSED,
                seconds=time.perf_counter() - started,
            )

    async def _answer(self, call: _Call, started: float) -> None:
        """One audit record around the route, opened before it and closed after it."""
        exchange = call.exchange
        if not call.rule.audited:
            await self._handled(call)
            return
        state = call.scope.setdefault("state", {})
        state["revision"] = self.watch.revision if self.watch else 0  # before the caller: what changes since is seen
        state["caller"], trouble = self._caller(call.headers)
        try:
            async with self.audit.entry(call.rule.action, by=state["caller"], via=call.door.name) as entry:
                state["entry"] = entry
                exchange.added_late = partial(_of_the_queue, entry)
                try:
                    error = await self._handled(call, trouble=trouble)
                finally:
                    self._count(call, entry)
                entry.note(duration_ms=round(1000 * (time.perf_counter() - started), 1))
                if error is not None:
                    entry.note(status=error.status, error=error.code)
                    if exchange.is_cut:
                        entry.outcome = "interrupted"
                elif exchange.is_complete:
                    entry.note(status=exchange.status)
                else:
                    entry.note(disconnected=True)
                    entry.outcome = "interrupted"
        except AuditUnavailable as error:
            self.metrics.audit_refusals.inc()
            log.error("The audit record of a request can't be written.")  # noqa: TRY400 - the trace would not help
            await self._refuse(error, call)

    def _caller(self, headers: Mapping[str, str]) -> tuple[Caller | None, IntramurosError | None]:
        """Who asks; a store that can't tell becomes the request's error, so that it is recorded too."""
        try:
            return self.identity.caller(headers), None
        except Exception as raised:
            return None, known(raised)

    async def _handled(self, call: _Call, *, trouble: IntramurosError | None = None) -> IntramurosError | None:
        """Runs the route and answers what it raises: the error; None where it answered or the client left."""
        exchange = call.exchange
        try:
            if trouble is not None:
                raise trouble
            self._check(call)
            exchange.check_length(call.headers.get("content-length"))
            with self._watched(call), asking(_asked(call)):
                await self.inner(call.scope, exchange.receive, exchange.send)
        except (ClientGone, ClientDisconnect):
            exchange.is_complete = False  # whatever was still sent, nobody got it
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if exchange.is_cut and task is not None and not task.uncancel():
                exchange.is_complete = False
                error = exchange.refusal or access_ended()
                await self._refuse(error, call)
                return error
            await self._refuse(stopping(), call)
            raise
        except Exception as raised:
            error = exchange.refusal or known(raised)
            await self._refuse(error, call)
            return error
        return exchange.refusal

    def _watched(self, call: _Call) -> AbstractContextManager[None]:
        """Has the request cut when its caller may no longer make it; what anyone may is not watched."""
        caller: Caller | None = call.scope.get("state", {}).get("caller")
        if self.watch is None or caller is None or call.rule.access is Access.PUBLIC:
            return nullcontext()
        return self.watch.over(
            call.rule,
            call.exchange,
            task=call.task,
            caller=caller,
            path=call.scope["path"],
            revision=call.scope["state"]["revision"],
            state=call.scope["state"],
            caller_now=lambda: self.identity.caller(call.headers),
        )

    def _check(self, call: _Call) -> None:
        check_host(call.headers, self.hosts)
        access = call.rule.access
        if access is not Access.PUBLIC:
            caller: Caller | None = call.scope["state"]["caller"]
            if caller is None:
                raise NotSignedIn("You are not signed in, or the key is unknown, expired or revoked.")
            if caller.key_id is not None:
                _check_scope(call, caller)
            if caller.must_enrol and not call.rule.enrolling:
                raise SecondFactorNeeded
            if not access.admits(caller):
                raise NotAllowed(f"Only {access.value} may do this.", hint="Ask one of them, or sign in as one.")
            if call.rule.recent and caller.key_id is None and now() - caller.proven_at > PROOF_S:
                raise ProofNeeded
            if call.rule.told_by_body:
                call.scope["state"]["admit"] = partial(self._check_limits, call, caller)
            else:
                self._check_limits(call, caller, spends=call.rule.spends)
        check_origin(call.scope["method"], call.headers)

    def _check_limits(self, call: _Call, caller: Caller, *, spends: bool) -> None:
        """How much the caller may do: of what can't cost anything, only a key's requests are counted.

        Raises: TooMany, QuotaReached.
        """
        limits = caller.limits if spends else [limit for limit in caller.limits if limit.kind == "key"]
        if not limits:
            return
        admission = self.usage.admit(limits, spends=spends)
        call.exchange.added += admission.headers
        if admission.refusal is not None:
            raise admission.refusal

    def _count(self, call: _Call, entry: Entry) -> None:
        """Counts the tokens of a request and what they cost, from what its task noted.

        An engine tells the prompt's tokens at the end of its answer: of one that was cut short they are taken as one
        for four bytes that were sent, or leaving early would be free.
        """
        caller: Caller | None = call.scope["state"]["caller"]
        if not call.rule.spends or caller is None or "model" not in entry.facts:
            return
        prompt = entry.facts.get("prompt_tokens", call.exchange.body_bytes // BYTES_PER_TOKEN)
        completion = entry.facts.get("completion_tokens", 0)
        subjects = [limit.subject for limit in caller.limits]
        if "project_id" in entry.facts:
            subjects.append(("project", entry.facts["project_id"]))
        self.usage.spend(subjects, prompt + completion, self.price_of(entry.facts).of(prompt, completion))

    async def _refuse(self, error: IntramurosError, call: _Call) -> None:
        """Answers with the error, unless an answer has begun."""
        exchange = call.exchange
        if exchange.status:
            return
        try:
            answer = call.door.refusal(error, call.scope, call.headers)
        except Exception as raised:  # the page of an error may itself have one
            answer = api(unexpected(raised), call.scope, call.headers)
        await exchange.send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        body = b"" if call.scope["method"] == "HEAD" else answer.body
        await exchange.send({"type": "http.response.body", "body": body})
        await exchange.drain()


def _check_scope(call: _Call, caller: Caller) -> None:
    """What the key itself opens. Raises: NotAllowed."""
    scope = call.rule.scope
    if scope is Scope.BROWSER:
        raise NotAllowed(
            "This page is for people who sign in, not for programs with a key.",
            hint="What programs may call is in docs/how-to/use-the-api.md.",
            code="session_needed",
        )
    if scope is not Scope.ANY:
        caller.rights.check_scope(scope.value)


def _of_the_queue(entry: Entry) -> Headers:
    """What was before the request when it began to wait for an engine, if it had to."""
    position = entry.facts.get("queue_position")
    if position is None:
        return []
    return [
        (b"x-intramuros-queue-position", str(position).encode()),
        (b"x-intramuros-expected-wait", str(entry.facts.get("expected_wait_s", 0)).encode()),
    ]


def _asked(call: _Call) -> Asked | None:
    """Who asks, for the router: whether a text may leave the walls depends on it."""
    state = call.scope.get("state", {})
    by, entry = state.get("caller"), state.get("entry")
    if by is None or entry is None:
        return None
    return Asked(by, entry, agrees=call.headers.get(OUTSIDE_HEADER, "").strip().lower() == ALLOW)


def _headers(scope: Request) -> dict[str, str]:
    """The request's headers by lower-case name. Raises nothing: a name that comes twice keeps its first value.

    Two hosts are none: which of them somebody before this server went by is not known (RFC 9112, 3.2).
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        said = name.decode("latin-1")
        if said in found:
            if said == "host":
                found[said] = ""
        else:
            found[said] = value.decode("latin-1")
    return found
