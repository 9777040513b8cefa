"""Signing in with a second factor, and how little a half-finished sign-in opens; roles that must have one."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pyotp
import pytest

from intramuros.accounts import one_time_codes, sessions
from intramuros.accounts.identity import TLS_COOKIE
from intramuros.accounts.sessions import csrf
from intramuros.accounts.steps import MAX_TRIES
from intramuros.errors import SettingsError
from intramuros.server.access import RULES, Access
from intramuros.storage.schema import now
from tests.asgi import Client
from tests.installed import PASSWORD, Installed, installation
from tests.integration.server.test_routes import address
from tests.integration.web.conftest import text_of
from tests.support.jar import SESSION, STEP, Jar

ALICE = "alice@firm.example"
CHARLIE = "charlie@firm.example"


class Clock:
    def __init__(self) -> None:
        self.at = now()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that codes are checked at: a test needn't wait for the next one."""
    clock = Clock()
    monkeypatch.setattr(one_time_codes, "now", lambda: clock.at)
    return clock


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Installed]:
    """An installation where administrators must have a second factor."""
    with installation(tmp_path, second_factor_required="administrator") as installed:
        async with installed.app.running():
            yield installed


async def enrol(jar: Jar, clock: Clock) -> tuple[pyotp.TOTP, list[str]]:
    """Sets up one-time codes on the pages, as a person does."""
    page = await jar.post("/account/codes")
    assert page.status == 200
    secret = re.search(r'id="secret">([^<]+)<', page.body.decode())
    assert secret and 'src="data:image/svg+xml' in page.body.decode()
    app = pyotp.TOTP(secret[1].replace(" ", ""))
    done = await jar.post("/account/codes/confirm", code=app.at(clock.at))
    assert done.status == 200
    clock.at += 30
    recovery = re.findall(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", done.body.decode())
    assert len(recovery) == 10
    return app, recovery


@pytest.fixture
async def alice(installed: Installed, clock: Clock) -> tuple[Jar, pyotp.TOTP, list[str]]:
    """Alice's browser, signed in, and her app and recovery codes."""
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    return jar, *await enrol(jar, clock)


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


async def test_setting_up_ends_every_other_session_and_renews_this_one(installed: Installed, clock: Clock) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    before = jar.session
    await enrol(jar, clock)
    assert jar.session != before
    for old in (before, installed.sessions["alice"]):
        assert installed.app.sessions.caller(old) is None
    assert (await jar.get("/")).status == 200


async def test_keys_are_asked_for_no_code(strict: Installed, clock: Clock) -> None:
    for who in ("alice", "charlie"):
        assert (await strict.client(who).call("GET", "/v1/models")).status == 200


async def test_a_role_that_must_have_a_factor_can_do_nothing_else_before(strict: Installed, clock: Clock) -> None:
    jar = Jar(strict.guard)
    assert (await jar.sign_in(CHARLIE, PASSWORD)).status == 303
    for rule in RULES:
        if rule.access is Access.PUBLIC or rule.enrolling:
            continue
        answer = await jar.call(rule.method, address(rule.path), b"", x_csrf_token=csrf(jar.session))
        is_led = answer.status == 303 and answer.headers["location"] == "/account"
        is_refused = (
            answer.status == 403 and answer.json()["error"]["code"] == "second_factor_needed" if not is_led else 0
        )
        assert is_led or is_refused, rule
    page = text_of(await jar.get("/account"))
    assert "Mettez d’abord en place un second facteur" in page and "Clés d’accès" in page
    assert "Mot de passe actuel" not in page
    app, _ = await enrol(jar, clock)
    assert (await jar.get("/")).status == 200
    again = Jar(strict.guard)
    await again.sign_in(CHARLIE, PASSWORD)
    assert not again.session
    await again.post("/sign-in/second", code=app.at(clock.at))
    assert (await again.get("/models")).status == 200
    kept = await again.post("/account/codes/remove")
    assert kept.status == 409 and "votre rôle exige" in text_of(kept).lower()


async def test_members_are_not_asked_where_administrators_are(strict: Installed) -> None:
    jar = Jar(strict.guard)
    await jar.sign_in(ALICE, PASSWORD)
    assert (await jar.get("/")).status == 200


async def test_the_first_administrator_is_led_to_a_factor_too(strict: Installed) -> None:
    jar = Jar(strict.guard)
    path = f"/first/{strict.app.users.invite('administrator')}"
    fields = {"name": "Dora", "email": "dora@firm.example", "password": "quatre chats sur un toit"}
    assert (await jar.post(path, **fields)).status == 303
    assert (await jar.get("/")).headers["location"] == "/account"


def test_a_setting_that_names_no_role_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="admin"), installation(tmp_path, second_factor_required="admin"):
        pass


async def test_after_a_reset_the_password_opens_only_the_way_to_a_new_factor(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    jar, app, recovery = alice
    user = installed.app.users.by_email(ALICE)
    assert user
    installed.app.factors.reset(user.id)
    assert (await jar.get("/")).headers["location"] == "/sign-in"
    again = Jar(installed.guard)
    await again.sign_in(ALICE, PASSWORD)
    assert (await again.get("/")).headers["location"] == "/account"
    assert (await again.post("/keys", name="x")).headers["location"] == "/account"
    await enrol(again, clock)
    assert (await again.get("/")).status == 200
    last = Jar(installed.guard)
    await last.sign_in(ALICE, PASSWORD)
    for old in (app.at(clock.at), recovery[0]):
        assert (await last.post("/sign-in/second", code=old)).status == 401


async def test_changing_factors_takes_a_fresh_proof(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = alice[0]
    monkeypatch.setattr("intramuros.server.guard.PROOF_S", -1.0)
    monkeypatch.setattr("intramuros.web.account.PROOF_S", -1.0)
    assert "confirmez d’abord" in text_of(await jar.get("/account"))
    recent = [rule for rule in RULES if rule.recent and rule.path.startswith("/account")]
    assert len(recent) == 7
    for rule in recent:
        answer = await jar.post(address(rule.path))
        assert (answer.status, answer.headers["location"]) == (303, "/account/prove"), rule
        told = await jar.tell(address(rule.path), {})
        assert (told.status, told.json()["code"]) == (403, "proof_needed"), rule
    monkeypatch.setattr("intramuros.server.guard.PROOF_S", sessions.PROOF_S)
    before = jar.session
    wrong = await jar.post("/account/prove", password="not this one at all")
    assert wrong.status == 401 and jar.session == before
    right = await jar.post("/account/prove", password=PASSWORD)
    assert right.headers["location"] == "/account" and jar.session != before
    assert installed.app.sessions.caller(before) is None
    assert (await jar.post("/account/codes/remove")).status == 303
    assert not installed.app.factors.has_any(installed.records("prove")[-1].actor)


async def test_a_proof_is_old_after_ten_minutes(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    real = now()
    for later, status in ((599, 200), (601, 303)):
        monkeypatch.setattr("intramuros.server.guard.now", lambda later=later: real + later)
        assert (await jar.post("/account/codes")).status == status


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


async def test_changing_the_password_ends_the_other_sessions_and_renews_this_one(installed: Installed) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    before, new = jar.session, "quatre chats sur un toit"
    for current, password, status in (
        ("wrong wrong wrong", new, 401),
        (PASSWORD, "court", 400),
        (PASSWORD, PASSWORD, 400),
    ):
        answer = await jar.post("/account/password", current=current, password=password)
        assert answer.status == status and jar.session == before
    assert (await jar.post("/account/password", current=PASSWORD, password=new)).status == 303
    assert jar.session != before
    assert "mot de passe est changé" in text_of(await jar.get("/account?done=password"))
    for old in (before, installed.sessions["alice"]):
        assert installed.app.sessions.caller(old) is None
    again = Jar(installed.guard)
    assert (await again.sign_in(ALICE, PASSWORD)).status == 401
    assert (await again.sign_in(ALICE, new)).status == 303


async def test_a_person_sees_and_ends_their_own_sessions_only(installed: Installed) -> None:
    here, there = Jar(installed.guard), Jar(installed.guard)
    there.client.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    for jar in (here, there):
        await jar.sign_in(ALICE, PASSWORD)
    page = await here.get("/account")
    assert "Firefox, Linux" in text_of(page)
    bobs = installed.app.sessions.list(installed.app.sessions.caller(installed.sessions["bob"]).user_id)[0].id  # type: ignore[union-attr]
    assert (await here.post(f"/account/sessions/{bobs}/end")).status == 404
    user = installed.app.sessions.caller(here.session)
    assert user
    theirs = next(s for s in installed.app.sessions.list(user.user_id) if s.device == "Firefox, Linux")
    assert f"/account/sessions/{theirs.id}/end" in page.body.decode()
    assert (await here.post(f"/account/sessions/{theirs.id}/end")).status == 303
    assert (await there.get("/")).status == 303
    assert (await here.post("/account/sessions/end")).status == 303
    assert [s.is_this for s in installed.app.sessions.list(user.user_id, token=here.session)] == [True]
    assert installed.app.sessions.caller(installed.sessions["bob"]) is not None
    own = installed.app.sessions.list(user.user_id)[0].id
    assert (await here.post(f"/account/sessions/{own}/end")).headers["location"] == "/sign-in"
    assert not here.session


async def test_a_key_opens_no_account(installed: Installed) -> None:
    for path in ("/account", "/account/prove"):
        answer = await installed.client("alice", accept="application/json").call("GET", path)
        assert (answer.status, answer.json()["code"]) == (403, "session_needed")


async def test_the_qr_code_says_what_the_text_says(installed: Installed, clock: Clock) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    page = (await jar.post("/account/codes")).body.decode()
    picture = re.search(r'<img class="qr" src="(data:image/svg\+xml[^"]+)"', page)
    secret = re.search(r'id="secret">([^<]+)<', page)
    assert picture and secret
    from intramuros.security import one_time_codes as security

    expected = security.picture(security.address(secret[1].replace(" ", ""), account=ALICE))
    assert unescape(picture[1]) == expected
    wrong = await jar.post("/account/codes/confirm", code="000000")
    assert wrong.status == 401 and secret[1] in wrong.body.decode(), "the same secret again"


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


async def test_an_administrator_takes_a_lost_factor_away_and_it_is_recorded(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]]
) -> None:
    charlie = Jar(installed.guard)
    await charlie.sign_in(CHARLIE, PASSWORD)
    user = installed.app.users.by_email(ALICE)
    assert user and "second facteur" in text_of(await charlie.get("/people"))
    path = f"/people/{user.id}/reset-factor"
    assert (await alice[0].post(path)).status == 403, "not one's own, nor a colleague's"
    assert installed.app.factors.has_any(user.id)
    assert (await charlie.post(path)).status == 303
    assert not installed.app.factors.has_any(user.id)
    record = installed.records("user.reset_factor")[-1]
    assert (record.object, record.outcome) == (user.id, "ok") and record.actor != user.id
    again = Jar(installed.guard)
    await again.sign_in(ALICE, PASSWORD)
    assert (await again.get("/")).headers["location"] == "/account"


async def test_a_program_may_take_a_lost_factor_away_with_an_administrators_key(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]]
) -> None:
    user = installed.app.users.by_email(ALICE)
    assert user
    path = f"/api/v1/users/{user.id}/reset-factor"
    assert (await installed.client("bob").call("POST", path)).status == 403
    assert (await installed.client("charlie").call("POST", path)).status == 200
    assert not installed.app.factors.has_any(user.id)


async def test_breaking_the_glass_takes_a_fresh_proof_of_whoever_is_signed_in(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(CHARLIE, PASSWORD)
    alice = installed.app.users.by_email(ALICE)
    assert alice
    asked = {"user": alice.id, "reason": "an emergency, it is said", "hours": "1"}
    assert "Ouvrir les conversations" in text_of(await jar.get("/break-glass"))
    for module in ("server.guard", "web.break_glass"):
        monkeypatch.setattr(f"intramuros.{module}.PROOF_S", -1.0)
    answer = await jar.post("/break-glass", **asked)
    assert (answer.status, answer.headers["location"]) == (303, "/account/prove?next=/break-glass")
    told = await jar.call(
        "POST", "/api/v1/break-glass", json.dumps({"user": alice.id, "reason": asked["reason"]}).encode()
    )
    assert told.json()["error"]["code"] == "proof_needed" and not installed.app.break_glass.list()
    page = text_of(await jar.get("/break-glass"))
    assert "confirmez d’abord" in page and "Ouvrir les conversations" not in page
    wrong = await jar.post("/account/prove", password="not this one at all", next="/break-glass")
    assert 'name="next" value="/break-glass"' in wrong.body.decode()
    right = await jar.post("/account/prove", password=PASSWORD, next="/break-glass")
    assert right.headers["location"] == "/break-glass"
    away = await jar.post("/account/prove", password=PASSWORD, next="//elsewhere.example")
    assert away.headers["location"] == "/"
    monkeypatch.setattr("intramuros.server.guard.PROOF_S", sessions.PROOF_S)
    assert (await jar.post("/break-glass", **asked)).status == 303 and len(installed.app.break_glass.list()) == 1


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
