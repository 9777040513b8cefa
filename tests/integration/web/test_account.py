"""One's own account: factors, password and sessions, and what takes a fresh proof."""

from __future__ import annotations

import json
import re
from html import unescape

import pyotp
import pytest

from intramuros.accounts import sessions
from intramuros.accounts.projects import Project
from intramuros.server.access import RULES
from intramuros.storage.schema import now
from tests.installed import PASSWORD, Installed
from tests.integration.server.test_routes import address
from tests.integration.web.conftest import People, text_of
from tests.integration.web.enrolling import ALICE, CHARLIE, Clock, enrol
from tests.support.jar import Jar


async def test_setting_up_ends_every_other_session_and_renews_this_one(installed: Installed, clock: Clock) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    before = jar.session
    await enrol(jar, clock)
    assert jar.session != before
    for old in (before, installed.sessions["alice"]):
        assert installed.app.sessions.caller(old) is None
    assert (await jar.get("/")).status == 200


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


async def test_making_a_key_takes_a_fresh_proof(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key outlives the session: whoever finds an open browser must not make one."""
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    assert "Nouvelle clé" in text_of(await jar.get("/keys"))
    for module in ("server.guard", "web.keys"):
        monkeypatch.setattr(f"intramuros.{module}.PROOF_S", -1.0)
    before = len(installed.app.api_keys.list())
    answer = await jar.post("/keys", name="thief")
    assert (answer.status, answer.headers["location"]) == (303, "/account/prove?next=/keys")
    page = await jar.get("/keys")
    assert 'href="/account/prove?next=/keys"' in page.body.decode() and 'action="/keys"' not in page.body.decode()
    assert len(installed.app.api_keys.list()) == before


async def test_an_administrator_ends_a_persons_sessions_without_locking_them_out(
    installed: Installed, alice: tuple[Jar, pyotp.TOTP, list[str]], clock: Clock
) -> None:
    charlie, half = Jar(installed.guard), Jar(installed.guard)
    await charlie.sign_in(CHARLIE, PASSWORD)
    await half.sign_in(ALICE, PASSWORD)
    user = installed.app.users.by_email(ALICE)
    assert user and f"/people/{user.id}/sign-out" in (await charlie.get("/people")).body.decode()
    assert (await alice[0].post(f"/people/{user.id}/sign-out")).status == 403
    bob = installed.app.users.by_email("bob@firm.example")
    assert bob
    for path, client in ((f"/people/{user.id}/sign-out", charlie), (f"/api/v1/users/{bob.id}/sign-out", None)):
        if client is not None:
            assert (await client.post(path)).status == 303
        else:
            assert (await installed.client("alice").call("POST", path)).status == 403
            assert (await installed.client("charlie").call("POST", path)).status == 200
    assert installed.app.sessions.list(user.id) == [] and installed.app.sessions.list(bob.id) == []
    await half.post("/sign-in/second", code=alice[1].at(clock.at))
    assert not half.session, "a sign-in that was half done ends too"
    assert (await charlie.get("/people")).status == 200
    assert (await installed.client("bob").call("GET", "/v1/models")).status == 200, "keys go on"
    again = Jar(installed.guard)
    await again.sign_in(ALICE, PASSWORD)
    await again.post("/sign-in/second", code=alice[1].at(clock.at))
    assert again.session
    assert [record.object for record in installed.records("user.sign_out") if record.outcome == "ok"] == [
        user.id,
        bob.id,
    ]


async def test_an_owner_finds_view_as_beside_the_members_of_their_project(
    installed: Installed, people: People, project: Project
) -> None:
    bob, alice = (installed.app.users.find(f"{name}@firm.example").id for name in ("bob", "alice"))
    page = (await people.alice.get(f"/projects/{project.id}/sharing")).body.decode()
    assert f'href="/people/{bob}/reach"' in page and f'href="/people/{alice}/reach"' not in page
    assert (await people.alice.get(f"/people/{bob}/reach")).status == 200
    assert "/reach" not in (await people.bob.get(f"/projects/{project.id}/sharing")).body.decode()
