"""The guard: who gets through, that each request leaves one record, and what a failure tells the client."""

from __future__ import annotations

import asyncio
import gc

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from intramuros.api.connected import while_connected
from intramuros.errors import ContextOverflow, EngineDied, StorageCorrupt, TooMany
from intramuros.server import exchange
from intramuros.server.headers import LOOPBACK_HOSTS
from tests.asgi import Answer, Client, soon
from tests.guarded import Guarded

SECRET = "le-mot-de-passe-de-Solène"
KEY = {"authorization": "Bearer bob"}


class Inner:
    """A route that answers 200, or raises."""

    def __init__(self, error: BaseException | None = None, *, status: int = 200) -> None:
        self.error, self.status = error, status
        self.runs = 0
        self.seen = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.runs += 1
        self.scope = scope
        if scope["method"] == "POST":
            more = True
            while more:
                message = await receive()
                self.seen += message.get("body", b"")
                more = message.get("more_body", False)
        if self.error is not None:
            raise self.error
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


async def ask(guarded: Guarded, inner: Inner, method: str = "GET", path: str = "/v1/models", **more: object) -> Answer:
    return await Client(guarded.around(inner)).call(method, path, **more)  # type: ignore[arg-type]


async def test_a_known_caller_gets_through_and_is_recorded(guarded: Guarded) -> None:
    inner = Inner()
    answer = await ask(guarded, inner, headers=KEY)
    assert answer.status == 200
    assert inner.scope["state"]["caller"].user_id == "bob"
    record = guarded.record
    assert (record.action, record.actor, record.credential, record.outcome) == ("models.list", "bob", "key:2", "ok")
    assert record.facts["status"] == 200 and record.facts["via"] == "api"
    assert record.facts["duration_ms"] >= 0


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/models", 401), ("/v1/nothing", 401), ("/metrics", 401), ("/api/v1/projects", 401), ("/anything/else", 303)],
)
async def test_nobody_gets_nowhere(guarded: Guarded, path: str, status: int) -> None:
    inner = Inner()
    answer = await ask(guarded, inner, path=path)
    assert answer.status == status
    assert inner.runs == 0
    assert guarded.record.outcome == "refused"
    assert guarded.record.actor is None


async def test_health_answers_anyone_and_leaves_no_record(guarded: Guarded) -> None:
    answer = await ask(guarded, Inner(), path="/health")
    assert answer.status == 200
    assert guarded.audit.opened == []


@pytest.mark.parametrize(("key", "status"), [("Bearer alice", 200), ("Bearer bob", 403)])
async def test_metrics_are_for_administrators(guarded: Guarded, key: str, status: int) -> None:
    answer = await ask(guarded, Inner(), path="/metrics", headers={"authorization": key})
    assert answer.status == status


async def test_an_unknown_path_with_a_key_is_not_found_in_the_routers_words(guarded: Guarded) -> None:
    answer = await ask(guarded, Inner(HTTPException(404)), path="/v1/" + SECRET, headers=KEY)
    assert answer.status == 404
    assert guarded.record.action == "unknown"
    assert SECRET not in repr(guarded.record)


async def test_no_record_no_answer(guarded: Guarded) -> None:
    guarded.audit.is_broken = True
    inner = Inner()
    answer = await ask(guarded, inner, headers=KEY)
    assert answer.status == 503
    assert answer.json()["error"]["code"] == "audit_unavailable"
    assert inner.runs == 0


async def test_a_record_that_cannot_be_closed_does_not_take_the_answer_back(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    guarded.audit.breaks_at_close = True
    answer = await ask(guarded, Inner(), headers=KEY)
    assert answer.status == 200 and answer.body == b"ok"
    assert "audit" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (ContextOverflow("Too long.", n_prompt_tokens=9), 400, "refused"),
        (TooMany(), 429, "refused"),
        (EngineDied(), 502, "failed"),
        (HTTPException(405), 405, "refused"),
        (HTTPException(415), 415, "refused"),
        (ValueError(SECRET), 500, "failed"),
    ],
)
async def test_what_a_route_raises_is_answered_and_recorded(
    guarded: Guarded, error: Exception, status: int, outcome: str
) -> None:
    answer = await ask(guarded, Inner(error), headers=KEY)
    assert answer.status == status
    assert answer.json()["error"]["message"]
    assert guarded.record.outcome == outcome
    assert guarded.record.facts["status"] == status


async def test_an_answer_with_an_error_status_counts_as_refused(guarded: Guarded) -> None:
    await ask(guarded, Inner(status=404), headers=KEY)
    assert guarded.record.outcome == "refused"


async def test_the_unexpected_is_a_reference_into_the_log(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    def deep(text: str) -> None:
        raise ValueError(f"could not parse {text}")

    class Broken(Inner):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            deep(SECRET)

    answer = await ask(guarded, Broken(), headers=KEY)
    reference = answer.json()["error"]["reference"]
    assert answer.status == 500
    assert len(reference) == 8 and reference in caplog.text
    assert "ValueError" in caplog.text and "deep" in caplog.text
    for told in (answer.body.decode(), caplog.text, repr(guarded.record)):
        assert SECRET not in told
    assert "Traceback" not in answer.body.decode()


async def test_a_store_that_cannot_say_who_asks_stops_the_request(guarded: Guarded) -> None:
    guarded.identity.trouble = StorageCorrupt()
    inner = Inner()
    answer = await ask(guarded, inner, headers=KEY)
    assert answer.status == 503 and inner.runs == 0
    assert guarded.record.facts["error"] == "storage_corrupt"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8777", "", "[::2]"),
        *("localhost:8777@evil.example", "localhost:evil.example", "[::1]:8777@evil.example", ":8777"),
    ],
)
async def test_a_foreign_host_name_is_refused(guarded: Guarded, host: str) -> None:
    inner = Inner()
    answer = await ask(guarded, inner, headers=KEY | {"host": host})
    assert answer.status == 403 and inner.runs == 0
    assert guarded.record.facts["error"] == "wrong_host"


@pytest.mark.parametrize("second", [b"evil.example", b"localhost:8777"])
async def test_two_host_names_are_refused(guarded: Guarded, second: bytes) -> None:
    inner = Inner()
    guard = guarded.around(inner)

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await guard({**scope, "headers": [*scope["headers"], (b"host", second)]}, receive, send)

    answer = await Client(twice).call("GET", "/v1/models", headers=KEY)
    assert answer.status == 403 and inner.runs == 0


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST:8777", "127.0.0.1:8777", "[::1]:8777", "[::1]"]
)
async def test_this_machines_names_are_served(guarded: Guarded, host: str) -> None:
    assert (await ask(guarded, Inner(), headers=KEY | {"host": host})).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("ai.example.ch", 200),
        ("AI.example.ch:8777", 200),
        ("localhost:8777", 200),
        ("[fd00::1]:8777", 200),
        ("a.wild.example", 200),
        ("a.b.wild.example", 403),
        ("wild.example", 403),
        ("evil.example", 403),
        ("ai.example.ch.evil.example", 403),
        ("evil.example:8777", 403),
        ("192.0.2.7", 403),
        ("", 403),
        ("*.wild.example", 403),
    ],
)
async def test_beyond_loopback_it_answers_to_its_own_names_only(guarded: Guarded, host: str, status: int) -> None:
    """DNS rebinding: a page's own name that now leads here is still that page's name."""
    hosts = LOOPBACK_HOSTS | {"ai.example.ch", "[fd00::1]", "*.wild.example"}
    answer = await Client(guarded.around(Inner(), hosts=hosts)).call(
        "GET", "/v1/models", headers=KEY | {"host": host}, scheme="https"
    )
    assert answer.status == status


async def test_over_tls_browsers_are_told_to_stay_with_it(guarded: Guarded) -> None:
    guard = guarded.around(Inner(), hosts=frozenset({"ai.example.ch"}))
    answer = await Client(guard).call("GET", "/v1/models", headers=KEY | {"host": "ai.example.ch"}, scheme="https")
    assert answer.status == 200
    assert answer.headers["strict-transport-security"]


COOKIE = {"cookie": "intramuros_session=bob"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (COOKIE | {"sec-fetch-site": "same-origin"}, 200),
        (COOKIE | {"sec-fetch-site": "none"}, 200),
        (COOKIE | {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        (COOKIE | {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"}, 403),
        (COOKIE | {"origin": "http://localhost:8777"}, 200),
        (COOKIE | {"origin": "http://localhost:3000"}, 403),
        (COOKIE | {"origin": "null"}, 403),
        (COOKIE, 200),
        (KEY | {"origin": "https://app.example"}, 200),
    ],
)
async def test_a_page_of_another_site_can_change_nothing(
    guarded: Guarded, headers: dict[str, str], status: int
) -> None:
    inner = Inner()
    answer = await ask(guarded, inner, "POST", "/api/v1/projects", body=b"{}", headers=headers)
    assert answer.status == status
    assert inner.runs == (status == 200)
    assert guarded.record.outcome == ("ok" if status == 200 else "refused")


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/api/v1/projects", "/"])
@pytest.mark.parametrize("headers", [KEY, {}])
async def test_every_answer_has_the_security_headers(guarded: Guarded, path: str, headers: dict[str, str]) -> None:
    answer = await ask(guarded, Inner(), path=path, headers=headers)
    for name in (
        "content-security-policy",
        "x-content-type-options",
        "x-frame-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "cache-control",
    ):
        assert name in answer.headers, name
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


async def test_a_route_may_say_its_own_cache_control(guarded: Guarded) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Cache-Control", b"max-age=60")]})
        await send({"type": "http.response.body", "body": b""})

    answer = await Client(guarded.around(inner)).call("GET", "/v1/models", headers=KEY)
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert "cache-control" not in answer.headers


async def test_a_declared_body_that_is_too_large_never_reaches_the_route(guarded: Guarded) -> None:
    inner = Inner()
    headers = KEY | {"content-length": "1001"}
    answer = await ask(guarded, inner, "POST", "/v1/chat/completions", body=b"x" * 1001, headers=headers)
    assert answer.status == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert inner.runs == 0
    assert guarded.record.outcome == "refused"


async def test_an_undeclared_body_is_counted_as_it_comes(guarded: Guarded) -> None:
    inner = Inner()
    client = Client(guarded.around(inner))
    answer = await client.call("POST", "/v1/chat/completions", body=[b"x" * 400] * 10, headers=KEY)
    assert answer.status == 413
    assert len(inner.seen) <= 1000
    assert client.sent == 4000, "the rest was not taken in, so the sender can't read the refusal"


async def test_a_route_that_hides_the_size_error_does_not_hide_it_from_the_client(guarded: Guarded) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (await receive())["more_body"]:
                pass
        except Exception:
            raise HTTPException(400) from None

    answer = await Client(guarded.around(inner)).call("POST", "/v1/chat/completions", [b"x" * 600] * 2, headers=KEY)
    assert answer.status == 413
    assert guarded.record.facts["error"] == "too_large"


async def test_uploads_have_their_own_limit(guarded: Guarded) -> None:
    answer = await ask(guarded, Inner(), "POST", "/api/v1/projects/p/documents", body=b"x" * 9000, headers=KEY)
    assert answer.status == 200


async def test_a_sender_that_falls_silent_is_let_go(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_SILENCE_S", 0.01)
    monkeypatch.setattr(exchange, "DRAIN_S", 0.01)
    answer = await ask(guarded, Inner(), "POST", "/v1/chat/completions", body=[b"{", b"}"], silent_after=1, headers=KEY)
    assert answer.status == 400
    assert guarded.record.facts["error"] == "body_too_slow"


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    async with while_connected(receive):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0)


async def test_a_client_that_leaves_mid_stream_leaves_one_record(guarded: Guarded) -> None:
    client = Client(guarded.around(endless))
    answer = await soon(client.call("POST", "/v1/chat/completions", leave_after=3, headers=KEY))
    assert not answer.is_complete
    assert guarded.record.outcome == "interrupted"
    assert guarded.record.facts["disconnected"] is True


async def test_what_is_sent_to_nobody_does_not_count_as_an_answer(guarded: Guarded) -> None:
    async def polite(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await endless(scope, receive, send)
        finally:
            await send({"type": "http.response.body", "body": b"the end"})

    await soon(Client(guarded.around(polite)).call("POST", "/v1/chat/completions", leave_after=3, headers=KEY))
    assert guarded.record.outcome == "interrupted"


@pytest.mark.parametrize("turns", [0, 3])
async def test_what_was_answered_leaves_nothing_to_the_garbage_collector(guarded: Guarded, turns: int) -> None:
    async def chat(scope: Scope, receive: Receive, send: Send) -> None:
        async with while_connected(receive):
            for _ in range(turns):
                await asyncio.sleep(0)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

    def left() -> set[int]:
        return {id(one) for one in gc.get_objects() if isinstance(one, exchange.Exchange | while_connected)}

    guard, before = guarded.around(chat), left()
    gc.disable()
    try:
        await asyncio.create_task(Client(guard).call("POST", "/v1/chat/completions", headers=KEY))
        await asyncio.sleep(0)
        assert left() == before
    finally:
        gc.enable()


async def test_a_request_stopped_with_the_server_leaves_one_record(guarded: Guarded) -> None:
    guard = guarded.around(endless)
    call = asyncio.create_task(Client(guard).call("POST", "/v1/chat/completions", headers=KEY))
    while not guard.open_tasks:
        await asyncio.sleep(0)
    for task in list(guard.open_tasks):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert guarded.record.outcome == "interrupted"
    assert guard.open_tasks == set()


async def test_no_part_of_a_request_gets_into_the_record(guarded: Guarded) -> None:
    await ask(
        guarded,
        Inner(ValueError(SECRET)),
        "POST",
        f"/api/v1/projects/{SECRET}/search?q={SECRET}",
        body=SECRET.encode(),
        headers=KEY | {"user-agent": "le-mot-de-passe", "referer": "le-mot-de-passe"},
    )
    assert "mot-de-passe" not in repr(guarded.record)


async def test_requests_are_counted_by_route_not_by_path(guarded: Guarded) -> None:
    await ask(guarded, Inner(), path=f"/api/v1/projects/{SECRET}/documents", headers=KEY)
    counted = guarded.metrics.render().decode()
    assert 'route="/api/v1/projects/{project}/documents",status="200"} 1.0' in counted
    assert SECRET not in counted
    assert "intramuros_requests_open 0.0" in counted


async def test_a_head_request_gets_no_body(guarded: Guarded) -> None:
    answer = await ask(guarded, Inner(), "HEAD", "/v1/models")
    assert answer.status == 401 and answer.body == b""


async def test_other_protocols_are_not_spoken(guarded: Guarded) -> None:
    async def nothing() -> dict[str, object]:
        return {}

    async def drop(message: object) -> None:
        return None

    with pytest.raises(NotImplementedError):
        await guarded.around(Inner())({"type": "websocket", "path": "/"}, nothing, drop)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/chat/completions", "ends in /v1"),
        ("/responses", "ends in /v1"),
        ("/v1/v1/messages", "without /v1"),
        ("/v1/api/chat", "without /v1"),
    ],
)
async def test_a_base_url_that_is_wrong_by_v1_is_said(guarded: Guarded, path: str, said: str) -> None:
    answer = await ask(guarded, Inner(HTTPException(404)), "POST", path, headers=KEY)
    assert answer.status == 404 and answer.headers["content-type"] == "application/json", "no page for a program"
    assert said in answer.json()["error"]["message"]


async def test_what_is_not_there_otherwise_says_nothing_of_base_urls(guarded: Guarded) -> None:
    answer = await ask(guarded, Inner(HTTPException(404)), "GET", "/v1/files/none", headers=KEY)
    assert answer.status == 404 and "base URL" not in answer.json()["error"]["message"]


async def test_the_page_of_an_error_says_nothing_of_the_model(guarded: Guarded) -> None:
    """It does not know which one answers, so that it can't say that there is none."""
    answer = await ask(guarded, Inner(HTTPException(404)), "GET", "/nowhere", headers=KEY)
    assert answer.status == 404 and "Aller au contenu" in answer.body.decode()
    assert "Aucun modèle" not in answer.body.decode()
