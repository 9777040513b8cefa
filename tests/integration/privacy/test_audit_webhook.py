"""Checkpoints go to a web address: posted once each, with a token, nowhere else, and refused where they must be there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from intramuros.audit.ledger import Pace
from intramuros.audit.record import Audit
from intramuros.audit.statement import of_line
from intramuros.errors import AuditUnavailable, SettingsError
from intramuros.privacy.audit_webhook import webhook
from intramuros.privacy.egress import Egress
from intramuros.storage.database import Database

EVERY = Pace(records=1, seconds=10**6)


@dataclass
class Listener:
    """What the other side got, and how it answers."""

    address: str = ""
    status: int = 204
    location: str = ""
    lines: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.lines.append(self.rfile.read(int(self.headers["content-length"])).decode())
            heard.tokens.add(self.headers["authorization"])
            self.answer()

        def do_OPTIONS(self) -> None:
            self.answer()

        def answer(self) -> None:
            self.send_response(heard.status)
            if heard.location:
                self.send_header("location", heard.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.address = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield heard
    server.shutdown()
    server.server_close()


def audit_to(listener: Listener, database: Database, key: bytes, *, required: bool = False) -> Audit:
    place = webhook(listener.address, token="t0ken", egress=Egress())
    audit = Audit(database, key, pace=EVERY, copy=place, copy_required=required)
    assert audit._copying is not None
    audit._copying._retry_s = 0.0
    return audit


def test_each_checkpoint_is_posted_and_verifies(listener: Listener, database: Database, audit_key: bytes) -> None:
    audit = audit_to(listener, database, audit_key)
    for _ in range(3):
        with audit.entry_sync("chat"):
            pass
    audit.stop()
    assert of_line(listener.lines[-1]).sequence == 3
    assert listener.tokens == {"Bearer t0ken"}
    result = audit.verify(copies=listener.lines)
    assert result.ok
    assert result.copied == len(listener.lines)
    assert "chat" not in json.dumps(listener.lines)


def test_a_place_that_refuses_stops_requests_where_it_is_required(
    listener: Listener, database: Database, audit_key: bytes
) -> None:
    audit = audit_to(listener, database, audit_key, required=True)
    with audit.entry_sync("chat"):
        pass
    audit.stop()
    listener.status = 503
    with audit.entry_sync("chat"):
        pass
    audit.stop()
    state = audit.copy_state()
    assert state is not None
    assert (state.ok, state.reason) == (False, "it answers with status 503")


def test_a_redirect_is_not_followed(listener: Listener, database: Database, audit_key: bytes) -> None:
    listener.status, listener.location = 307, listener.address.replace("/hook", "/elsewhere")
    audit = audit_to(listener, database, audit_key)
    with audit.entry_sync("chat"):
        pass
    audit.stop()
    state = audit.copy_state()
    assert state is not None
    assert not state.ok
    assert len(listener.lines) <= 2, "once, and once more at the end"


def test_nobody_there(database: Database, audit_key: bytes) -> None:
    audit = Audit(
        database, audit_key, copy=webhook("http://127.0.0.1:1/hook", token=None, egress=Egress()), copy_required=True
    )
    with pytest.raises(AuditUnavailable, match="second place"), audit.entry_sync("chat"):
        pass
    audit.stop()


@pytest.mark.parametrize(
    "address",
    [
        "http://audit.firm.example/hook",
        "ftp://audit.firm.example",
        "https://name:word@audit.firm.example/",
        "https://",
        "https://[::1",
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(SettingsError):
        webhook(address, token=None, egress=Egress())


def test_only_the_named_host_is_allowed() -> None:
    place = webhook("https://audit.firm.example/hook", token=None, egress=Egress())
    place.egress.check("https://audit.firm.example/other")
    for address in ("https://other.firm.example/", "http://audit.firm.example/", "https://audit.firm.example:8443/"):
        with pytest.raises(Exception, match="allow-list"):
            place.egress.check(address)
