"""Signing in with the organisation's provider or directory, through the pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from intramuros.accounts.elsewhere import DirectorySignIn
from intramuros.accounts.external import Identity
from intramuros.errors import SignInServiceFailed
from tests.asgi import Answer, Client
from tests.installed import PASSWORD, Installed, installation

BACK = "http://localhost:8777/sign-in/sso/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    mock = pytest.importorskip("oidc_provider_mock")
    address = {"email_verified": True, "groups": ["IT"]}
    people = [
        mock.User(sub="d1", claims={"email": "dana@firm.example", "name": "Dana", **address}),
        mock.User(sub="m1", claims={"email": "mo@firm.example", "name": "Mo", "amr": ["pwd", "mfa"], **address}),
        mock.User(sub="a1", claims={"email": "alice@firm.example", "name": "Alice"}),
    ]
    with mock.run_server_in_thread(require_nonce=True, user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
async def installed(tmp_path: Path, issuer: str) -> AsyncIterator[Installed]:
    more = {"oidc_issuer": issuer, "oidc_name": "Firm SSO", "oidc_client_secret": "s", "sso_roles": "auditor=it"}
    with installation(tmp_path, **more) as installed:
        async with installed.app.running():
            yield installed


async def back(installed: Installed, subject: str, *, wanted: str = "/", **changed: str) -> Answer:
    """What a browser gets that began here, signed in there and came back."""
    stranger = Client(installed.guard)
    sent = await stranger.call("GET", f"/sign-in/sso?{urlencode({'next': wanted})}")
    assert sent.status == 303
    cookie = sent.cookies[0].partition(";")[0]
    assert "httponly" in sent.cookies[0].lower() and "samesite=lax" in sent.cookies[0].lower()
    answer = httpx.post(sent.headers["location"], data={"sub": subject})
    query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert answer.headers["location"].startswith(BACK)
    headers = {"cookie": changed.pop("cookie", cookie), "accept": "text/html"}
    return await stranger.call("GET", f"/sign-in/sso/callback?{urlencode(query | changed)}", headers=headers)


def session_in(answer: Answer) -> str | None:
    found = [re.match(r"intramuros_session=([^;]+)", cookie) for cookie in answer.cookies]
    return next((match[1] for match in found if match), None)


async def test_the_page_offers_it(installed: Installed) -> None:
    page = (await Client(installed.guard).call("GET", "/sign-in?next=/keys")).body.decode()
    assert "Firm SSO" in page
    assert '/sign-in/sso?next=%2Fkeys"' in unescape(page)


async def test_a_person_unknown_here_is_in_with_the_role_of_their_group(installed: Installed) -> None:
    answer = await back(installed, "d1", wanted="/keys")
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0;url=/keys">' in answer.body.decode()
    token = session_in(answer)
    assert token is not None
    caller = installed.app.sessions.caller(token)
    assert caller is not None
    assert (caller.name, caller.role) == ("Dana", "auditor")
    assert all("samesite=strict" in cookie.lower() for cookie in answer.cookies if "intramuros_session" in cookie)
    record = installed.records("sign_in.sso")[-1]
    assert (record.actor, record.outcome) == (caller.user_id, "ok")


async def test_a_second_factor_here_is_still_asked_for_unless_one_was_shown_there(installed: Installed) -> None:
    for subject, is_strong in (("d1", False), ("m1", True)):
        token = session_in(await back(installed, subject))
        assert token is not None
        shown = installed.app.sessions.list(_user_of(installed, token))
        assert [session.method for session in shown] == ["sso"]
        assert _is_strong(installed, token) is is_strong


async def test_an_unverified_address_takes_over_nobody(installed: Installed) -> None:
    answer = await back(installed, "a1")
    assert answer.status == 403
    assert session_in(answer) is None
    assert "ne la garantit pas" in answer.body.decode()
    assert installed.records("sign_in.sso")[-1].outcome == "refused"


@pytest.mark.parametrize("changed", [{"state": "x"}, {"cookie": ""}, {"cookie": "intramuros_sso=AAAA"}, {"code": "x"}])
async def test_an_answer_to_another_browser_s_attempt_is_none(installed: Installed, changed: dict[str, str]) -> None:
    answer = await back(installed, "d1", **changed)
    assert answer.status in {401, 502}
    assert session_in(answer) is None


async def test_no_open_redirect(installed: Installed) -> None:
    for wanted in ("https://evil.example", "//evil.example", "/\\evil.example"):
        page = (await back(installed, "d1", wanted=wanted)).body.decode()
        assert 'content="0;url=/"' in page


async def test_without_a_provider_there_is_nothing(tmp_path: Path) -> None:
    with installation(tmp_path) as plain:
        assert (await Client(plain.guard).call("GET", "/sign-in/sso")).status == 404
        assert "sso" not in (await Client(plain.guard).call("GET", "/sign-in")).body.decode()


class Ldap:
    """A directory with one person in it; the real one has tests of its own."""

    is_there = True

    def identity(self, login: str, password: str) -> Identity | None:
        if not self.is_there:
            raise SignInServiceFailed
        if (login, password) != ("erin", "eight red tractors"):
            return None
        return Identity("ldaps://x", "e1", "erin@firm.example", "Erin", is_email_verified=True)


async def test_a_directory_s_passwords_open_the_same_form(tmp_path: Path) -> None:
    with installation(tmp_path) as plain:
        ldap = Ldap()
        plain.app.users.elsewhere = DirectorySignIn(ldap, plain.app.people_elsewhere)

        async def sign_in(email: str, password: str) -> Answer:
            headers = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
            body = urlencode({"email": email, "password": password}).encode()
            return await Client(plain.guard).call("POST", "/sign-in", body, headers=headers)

        assert (await sign_in("erin", "eight red tractors")).status == 303
        assert (await sign_in("erin", "wrong")).status == 401
        erin = plain.app.users.by_email("erin@firm.example")
        assert erin is not None
        plain.app.users.suspend(erin.id)
        assert (await sign_in("erin", "eight red tractors")).status == 401
        ldap.is_there = False
        assert (await sign_in("alice@firm.example", PASSWORD)).status == 303, "who is known here needs no directory"
        assert (await sign_in("erin", "eight red tractors")).status == 502


def _user_of(installed: Installed, token: str) -> str:
    caller = installed.app.sessions.caller(token)
    assert caller is not None
    return caller.user_id


def _is_strong(installed: Installed, token: str) -> bool:
    from sqlalchemy import select

    from intramuros.security.tokens import token_hash
    from intramuros.storage.schema import sessions

    with installed.app.database.read() as connection:
        return bool(connection.scalar(select(sessions.c.is_strong).where(sessions.c.token_hash == token_hash(token))))
