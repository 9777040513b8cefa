"""Routers over servers that answer as a test says."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.engines.asked import Asked
from intramuros.engines.comparing import Comparisons
from intramuros.engines.outside import OutsideEngine
from intramuros.engines.router import Router
from intramuros.engines.routing import Routing
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.redactor import Redactor
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from tests.integration.engines.routed_place import (
    Clock,
    Place,
    entry,
)
from tests.scripted import ScriptedEngine, ScriptedPool


@pytest.fixture
async def place(database: Database, audit: Audit, subject_keys: SubjectKeys) -> AsyncIterator[Place]:
    local, clock, redactor = ScriptedEngine(words=("lo", "cal")), Clock(), Redactor()
    router = Router(
        pool=ScriptedPool(local),
        routing=Routing(database, key=secrets.token_bytes(32)),
        outside=lambda engine, aliases: OutsideEngine(engine, redactor, aliases),
        aliases=KeptAliases(database, subject_keys),
        comparisons=Comparisons(database),
        audit=audit,
        key=b"k" * 32,
        lets_outside=True,
        clock=clock,
    )
    async with AsyncExitStack() as stack:
        yield Place(router, stack, clock, local)
        await router.stop()


@pytest.fixture
def agreed() -> Asked:
    return Asked(LOCAL, entry(), agrees=True)
