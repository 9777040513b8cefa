"""Roles that must have a second factor, and whoever has lost theirs."""

from __future__ import annotations

from pathlib import Path

import pyotp
import pytest

from intramuros.accounts.sessions import csrf
from intramuros.errors import SettingsError
from intramuros.server.access import RULES
from intramuros.server.rule import Access
from tests.installed import PASSWORD, Installed, installation
from tests.integration.server.test_routes import address
from tests.integration.web.conftest import text_of
from tests.integration.web.enrolling import ALICE, CHARLIE, Clock, enrol
from tests.support.jar import Jar


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
        said = answer.body.decode()  # in the shape of its door: not each has a place for the code
        is_refused = answer.status == 403 and ("second_factor_needed" in said or "second factor" in said)
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


async def test_the_page_of_people_says_who_must_have_one_and_has_none(strict: Installed, clock: Clock) -> None:
    jar, manager = Jar(strict.guard), Jar(strict.guard)
    await jar.sign_in(CHARLIE, PASSWORD)
    strict.app.users.create("marc@firm.example", "Marc", role="manager", password=PASSWORD)
    await manager.sign_in("marc@firm.example", PASSWORD)
    page = text_of(await manager.get("/people"))
    assert "Ces rôles doivent avoir un second facteur" in page
    assert "N’en ont pas encore" in page and "Charlie" in page.partition("N’en ont pas encore")[2][:40]
    assert "sans second facteur" in page
    await enrol(jar, clock)
    page = text_of(await manager.get("/people"))
    assert "Chacun d’eux en a un." in page and "sans second facteur" not in page


async def test_it_says_too_where_no_role_must(installed: Installed) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(CHARLIE, PASSWORD)
    page = text_of(await jar.get("/people"))
    assert "Aucun rôle ne doit avoir un second facteur" in page and "sans second facteur" not in page
