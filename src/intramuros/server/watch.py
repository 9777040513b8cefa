"""Cuts requests that are running when their caller may no longer make them: suspended, signed out, demoted, unshared.

Called by the guard around every route. Whatever any process changes about people makes the accounts' revision grow;
while requests run, the watch looks at it ten times a second, asks again for each request who its caller is now, and
ends those that would be refused today. A short change (a form) is not cut: what it does is often why its caller may
do less, and it was allowed when it began.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from intramuros.accounts.caller import Caller
from intramuros.accounts.identity import Identity
from intramuros.accounts.projects import Projects
from intramuros.api.faults import access_ended
from intramuros.background import begin, place_of
from intramuros.errors import IntramurosError, NotFound
from intramuros.server.exchange import Exchange
from intramuros.server.rule import Body, Rule, Scope

log = logging.getLogger("intramuros.server")

LOOK_EVERY_S = 0.1
LOOK_AGAIN_S = 2.0
"""So long after the last look a request is asked about again without a change: keys and broken glass expire."""
BLIND_S = 10.0
"""Longer than this the watch does not let requests run that it can't ask about."""


@dataclass(eq=False, slots=True)
class Running:
    """One request inside its route, while a block with this runs."""

    watch: Watch
    task: asyncio.Task[object]
    rule: Rule
    exchange: Exchange
    caller: Caller
    caller_now: Callable[[], Caller | None]
    project: str | None
    revision: int
    state: Mapping[str, Any]
    looked_at: float = field(default_factory=time.monotonic)

    def __enter__(self) -> None:
        self.watch.begin(self)

    def __exit__(self, *_: object) -> None:
        self.watch.end(self)

    @property
    def is_cuttable(self) -> bool:
        """Whether it may go on for long, or already answers."""
        is_long = self.rule.method == "GET" or self.rule.body is not Body.REQUEST or self.rule.is_long
        return is_long or bool(self.exchange.status)


class Watch:
    """The requests that run in this process and what became of their callers."""

    def __init__(self, identity: Identity, projects: Projects) -> None:
        self._identity, self._projects = identity, projects
        self._running: set[Running] = set()
        self._looking: asyncio.Task[None] | None = None
        self._seen_at = time.monotonic()

    @property
    def revision(self) -> int:
        """The revision of accounts that was looked at last: to be read before the caller is found."""
        return self._identity.seen_revision

    def over(self, rule: Rule, exchange: Exchange, *, task: asyncio.Task[object], caller: Caller, path: str,
             revision: int, state: Mapping[str, Any], caller_now: Callable[[], Caller | None]) -> Running:  # fmt: skip
        """Watches the request of this task while a block with it runs."""
        return Running(self, task, rule, exchange, caller, caller_now, _project(rule, path), revision, state)

    def begin(self, running: Running) -> None:
        """One more runs."""
        self._running.add(running)
        if self._looking is None or self._looking.done():
            self._seen_at = time.monotonic()
            self._looking = begin(self._look(), name="watch the access of requests")

    def end(self, running: Running) -> None:
        """It has ended."""
        self._running.discard(running)

    async def _look(self) -> None:
        """Looks until nothing runs any more."""
        while self._running:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look_once()
                self._seen_at = time.monotonic()
            except Exception as error:  # also what nobody foresaw: unwatched, a request would go on
                why = error.code if isinstance(error, IntramurosError) else place_of(error)
                log.warning("The access of running requests can't be checked: %s", why)
                if time.monotonic() - self._seen_at > BLIND_S:
                    for one in list(self._running):
                        self._cut(one, access_ended())

    async def _look_once(self) -> None:
        revision, at = self._identity.revision(), time.monotonic()
        due = [one for one in self._running if one.revision != revision or at - one.looked_at > LOOK_AGAIN_S]
        if due:
            refused = await asyncio.to_thread(lambda: [(one, self._refusal(one)) for one in due])
            for one, error in refused:
                if error is not None:
                    self._cut(one, error)
        for one in due:
            one.revision, one.looked_at = revision, at

    def _refusal(self, one: Running) -> IntramurosError | None:
        """What its caller would be told today; None where they still may."""
        caller = one.caller_now()
        if caller is None or caller.user_id != one.caller.user_id or not one.rule.access.admits(caller):
            return access_ended()
        needs_scope = caller.key_id is not None and one.rule.scope is not Scope.ANY
        if needs_scope and one.rule.scope.value not in caller.rights.scopes:
            return access_ended()
        project = one.project or one.state.get("project")  # of a door whose addresses name none
        if project is None:
            return None
        try:
            self._projects.get(project, by=caller)
        except NotFound as error:  # gone, or no longer shared: signing in again would not help
            return error
        return None

    def _cut(self, one: Running, error: IntramurosError) -> None:
        if one in self._running and one.is_cuttable and one.exchange.refusal is None:
            one.exchange.refusal = error
            one.exchange.is_cut = True
            one.task.cancel(error)


def _project(rule: Rule, path: str) -> str | None:
    if not rule.has_parameters:
        return None
    found = rule.pattern.match(path)
    if found is None:
        return None
    store = found.groupdict().get("store")  # what the OpenAI door calls a project
    return store.removeprefix("vs_") if store else found.groupdict().get("project")
