"""Signing in with a second factor, and how little a half-finished sign-in opens."""

from __future__ import annotations

from urllib.parse import urlencode

import pyotp
import pytest

from intramuros.accounts.identity import TLS_COOKIE
from intramuros.accounts.sessions import csrf
from intramuros.accounts.steps import MAX_TRIES
from intramuros.server.access import RULES
from intramuros.server.rule import Access
from tests.asgi import Client
from tests.installed import PASSWORD, Installed
from tests.integration.server.test_routes import address
from tests.integration.web.conftest import text_of
from tests.integration.web.enrolling import ALICE, CHARLIE, Clock
from tests.support.jar import SESSION, STEP, Jar


async def test_the_password_opens_the_second_step_and_the_code_the_session(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    _, app, _ = alice
    jar = Jar(installed.guard)
    answer = await jar.sign_in(ALICE, PASSWORD, next="/keys")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in/second?next=%2Fkeys")
    assert jar.step and not jar.session
    page = await jar.get(answer.headers["location"])
    assert "Code de l’application" in text_of(page) and 'value="/keys"' in page.body.decode()
    wrong = await jar.post("/sign-in/second", code="000000", next="/keys")
    assert wrong.status == 401 and "Ce code est faux" in text_of(wrong) and not jar.session
    done = await jar.post("/sign-in/second", code=app.at(clock.at), next="/keys")
    assert (done.status, done.headers["location"]) == (303, "/keys")
    assert jar.session and not jar.step
    assert (await jar.get("/keys")).status == 200
    records = installed.records("sign_in", "sign_in.second")
    assert records[-1].actor == records[-2].facts["user"] and records[-1].facts["method"] == "totp"
    assert records[-2].facts["error"] == "wrong_code"


async def test_a_replayed_code_opens_nothing(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    _, app, _ = alice
    one, other = Jar(installed.guard), Jar(installed.guard)
    for jar in (one, other):
        await jar.sign_in(ALICE, PASSWORD)
        await jar.post("/sign-in/second", code=app.at(clock.at))
    assert one.session and not other.session


async def test_a_finished_step_opens_nothing_more(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    _, app, _ = alice
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    step = jar.step
    await jar.post("/sign-in/second", code=app.at(clock.at))
    clock.at += 30
    thief = Jar(installed.guard)
    thief.cookies[STEP] = step
    answer = await thief.post("/sign-in/second", code=app.at(clock.at))
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in") and not thief.session


async def test_a_recovery_code_opens_once_and_says_how_many_are_left(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]]
) -> None:
    recovery = alice[2]
    one, other = Jar(installed.guard), Jar(installed.guard)
    for jar in (one, other):
        await jar.sign_in(ALICE, PASSWORD)
        answer = await jar.post("/sign-in/second", code=recovery[0])
    assert one.session and not other.session and answer.status == 401
    assert "Il en reste 9." in text_of(await one.get("/account"))


async def test_a_half_signed_in_browser_opens_nothing(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]]
) -> None:
    """Every route, with the cookie of the second step under every name a cookie is read from."""
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    step = jar.step
    for cookie in (f"{STEP}={step}", f"{SESSION}={step}", f"{SESSION}={step}; {STEP}={step}"):
        client = Client(installed.guard, cookie=cookie)
        for rule in RULES:
            if rule.access is Access.PUBLIC:
                continue
            body = f"csrf={csrf(step)}".encode()
            headers = {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": csrf(step)}
            answer = await client.call(rule.method, address(rule.path), body, headers=headers)
            sent = answer.status == 303 and answer.headers["location"].startswith("/sign-in")
            assert answer.status == 401 or sent, rule
    for header in ({"authorization": f"Bearer {step}"}, {"x-api-key": step}):
        assert (await Client(installed.guard, **header).call("GET", "/v1/models")).status == 401


async def test_the_second_step_takes_the_token_of_its_own_browser(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    jar, code = Jar(installed.guard), alice[1].at(clock.at)
    await jar.sign_in(ALICE, PASSWORD)
    for wrong in ("", "0" * 64, csrf("another")):
        answer = await jar.post("/sign-in/second", csrf_token=wrong, code=code)
        assert answer.status == 403 and not jar.session
    jar.client.headers["sec-fetch-site"] = "cross-site"
    assert (await jar.post("/sign-in/second", code=code)).status == 403
    stranger = Jar(installed.guard)
    answer = await stranger.post("/sign-in/second", code=code)
    assert answer.headers["location"] == "/sign-in" and not stranger.session


async def test_after_many_wrong_codes_the_password_is_asked_again(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes are throttled as passwords are; where that is off, the step ends by itself."""
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    statuses = [(await jar.post("/sign-in/second", code="000000")).status for _ in range(8)]
    assert statuses[:5] == [401] * 5 and set(statuses[5:]) == {429}
    assert (await jar.post("/sign-in/second", code=alice[1].at(clock.at))).status == 429
    monkeypatch.setattr(installed.app.factors._throttle, "begin", lambda *_: None)
    for _ in range(MAX_TRIES - 5):
        assert (await jar.post("/sign-in/second", code="000000")).status == 401
    answer = await jar.post("/sign-in/second", code=alice[1].at(clock.at))
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in") and not jar.session


async def test_whoever_is_suspended_in_between_does_not_come_in(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    jar, users = Jar(installed.guard), installed.app.users
    await jar.sign_in(ALICE, PASSWORD)
    user = users.by_email(ALICE)
    assert user
    users.suspend(user.id)
    answer = await jar.post("/sign-in/second", code=alice[1].at(clock.at))
    assert answer.headers["location"] == "/sign-in" and not jar.session


async def test_session_fixation_a_token_that_was_planted_never_becomes_good(installed: Installed) -> None:
    jar = Jar(installed.guard)
    for planted in ("x" * 32, installed.sessions["bob"]):
        jar.cookies = {SESSION: planted}
        await jar.sign_in(ALICE, PASSWORD)
        assert jar.session != planted
        assert installed.app.sessions.caller(planted) is None
        caller = installed.app.sessions.caller(jar.session)
        assert caller and caller.name == "Alice"


async def test_a_planted_step_is_not_finished_by_its_planter(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    """The token is made anew when the password is shown, whatever the browser came with."""
    victim = Jar(installed.guard)
    victim.cookies[STEP] = "planted" * 4
    await victim.sign_in(ALICE, PASSWORD)
    assert victim.step != "planted" * 4


async def test_over_tls_both_cookies_are_bound_to_this_host(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    installed.app.identity.cookie = TLS_COOKIE
    form = {"content-type": "application/x-www-form-urlencoded"}
    client = Client(installed.guard)
    body = urlencode({"email": ALICE, "password": PASSWORD}).encode()
    begun = await client.call("POST", "/sign-in", body, headers=form, scheme="https")
    name, _, rest = begun.cookies[0].partition("=")
    step, *attributes = (part.strip().lower() for part in rest.split(";"))
    assert name == f"{TLS_COOKIE}_step" and {"httponly", "secure", "path=/", "samesite=strict"} <= set(attributes)
    assert not any("domain" in attribute for attribute in attributes)
    step = rest.partition(";")[0]
    body = urlencode({"code": alice[1].at(clock.at), "csrf": csrf(step)}).encode()
    done = await client.call(
        "POST", "/sign-in/second", body, headers=form | {"cookie": f"{name}={step}"}, scheme="https"
    )
    session = next(line for line in done.cookies if line.startswith(f"{TLS_COOKIE}="))
    assert "secure" in session.lower() and "samesite=strict" in session.lower()


async def test_whoever_signed_in_is_named_in_the_record_and_on_the_audit_page(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    """By a password, by a password and a code, and by the link of an invitation; a wrong password names nobody."""
    charlie, again, dora = Jar(installed.guard), Jar(installed.guard), Jar(installed.guard)
    await charlie.sign_in(CHARLIE, "not this one at all")
    await charlie.sign_in(CHARLIE, PASSWORD)
    await again.sign_in(ALICE, PASSWORD)
    clock.at += 60
    await again.post("/sign-in/second", code=alice[1].at(clock.at))
    fields = {"name": "Dora", "email": "dora@firm.example", "password": "quatre chats sur un toit"}
    await dora.post(f"/first/{installed.app.users.invite('member')}", **fields)
    ids = {name: installed.app.users.find(f"{name}@firm.example").id for name in ("alice", "charlie", "dora")}
    wrong, right = installed.records("sign_in")[-3:-1]
    assert (wrong.actor, right.actor) == (None, ids["charlie"])
    assert installed.records("sign_in.second")[-1].actor == ids["alice"]
    first = installed.records("first")[-1]
    assert (first.actor, first.object) == (ids["dora"], ids["dora"])
    for action, name in (("sign_in", "Charlie"), ("sign_in.second", "Alice"), ("first", "Dora")):
        page = await charlie.get(f"/administration/audit?action={action}")
        assert name in text_of(page)
