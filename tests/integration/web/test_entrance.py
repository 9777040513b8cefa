"""Signing in and out, the one-time link, the session's cookie and the language of the pages."""

from __future__ import annotations

import pytest

from intramuros.accounts.identity import TLS_COOKIE
from intramuros.web.signing_in import own_address
from tests.asgi import Client
from tests.installed import PASSWORD, Installed
from tests.integration.web.conftest import Browser, People, text_of

SIGN_IN = {"email": "alice@firm.example", "password": PASSWORD}


async def test_signing_in_opens_a_session_that_no_script_and_no_other_site_can_use(
    installed: Installed, people: People
) -> None:
    answer = await people.stranger.post("/sign-in", **SIGN_IN, next="/keys")
    assert (answer.status, answer.headers["location"]) == (303, "/keys")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    token, *attributes = (part.strip().lower() for part in rest.split(";"))
    assert set(attributes) == {"httponly", "path=/", "samesite=strict"}
    browser = Client(installed.guard, cookie=f"{name}={rest.partition(';')[0]}")
    assert "Alice" in (await browser.call("GET", "/")).body.decode()
    assert token


async def test_over_tls_the_cookie_is_bound_to_this_host(installed: Installed, people: People) -> None:
    installed.app.identity.cookie = TLS_COOKIE
    client = people.stranger.client
    body = b"email=alice%40firm.example&password=" + PASSWORD.replace(" ", "+").encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.call("POST", "/sign-in", body, headers=headers, scheme="https")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-intramuros_session=")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie


async def test_a_wrong_password_says_so_and_keeps_the_address(people: People) -> None:
    answer = await people.stranger.post("/sign-in", email="alice@firm.example", password="not this one at all")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers
    assert 'value="alice@firm.example"' in answer.body.decode()
    assert "ne correspondent pas" in text_of(answer)
    assert "not this one" not in answer.body.decode()


async def test_whoever_is_not_signed_in_is_sent_there_and_back(people: People) -> None:
    answer = await people.stranger.get("/projects/p?x=1")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in?next=%2Fprojects%2Fp%3Fx%3D1")
    assert (
        'name="next" value="/projects/p?x=1"' in (await people.stranger.get(answer.headers["location"])).body.decode()
    )


async def test_scripts_that_are_not_signed_in_get_an_error_they_can_show(people: People) -> None:
    answer = await people.stranger.get("/projects/p/documents/live", accept="text/event-stream")
    assert answer.status == 401
    assert answer.json()["code"] == "not_signed_in"


@pytest.mark.parametrize(
    "wanted", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:x", "", "keys", "/a\nb", "/\t/evil.test"]
)
def test_nobody_is_sent_to_another_site(wanted: str) -> None:
    assert own_address(wanted) == "/"


async def test_signing_out_ends_the_session(installed: Installed, people: People) -> None:
    answer = await people.alice.post("/sign-out")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await people.alice.get("/")).status == 303
    assert installed.app.sessions.caller(people.alice.token) is None


async def test_a_one_time_link_makes_an_account_once(installed: Installed, people: People) -> None:
    path = f"/first/{installed.app.users.invite('administrator')}"
    assert "Créer l’administrateur" in text_of(await people.stranger.get(path))
    fields = {"name": "Dora", "email": "dora@firm.example", "password": "quatre chats sur un toit"}
    answer = await people.stranger.post(path, **fields)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    browser = Browser(Client(installed.guard, cookie=answer.headers["set-cookie"].partition(";")[0]), "")
    assert "Bienvenue, Dora" in text_of(await browser.get("/"))
    again = await people.stranger.get(path)
    assert again.status == 404
    assert "déjà servi" in text_of(again)


async def test_a_weak_password_is_refused_and_the_link_still_works(installed: Installed, people: People) -> None:
    path = f"/first/{installed.app.users.invite('member')}"
    fields = {"name": "<i>Dora</i>", "email": "dora@firm.example"}
    answer = await people.stranger.post(path, **fields, password="123456")
    assert answer.status == 400
    assert "trop facile" in text_of(answer)
    assert "<i>Dora" not in answer.body.decode()
    assert (await people.stranger.post(path, **fields, password="quatre chats sur un toit")).status == 303


async def test_the_language_is_the_browsers_until_one_is_chosen(people: People) -> None:
    page = await people.stranger.get("/sign-in", **{"accept-language": "en-GB"})
    assert '<html lang="en">' in page.body.decode()
    chosen = await people.stranger.get("/sign-in?next=%2Fkeys&lang=fr", **{"accept-language": "en-GB"})
    assert (chosen.status, chosen.headers["location"]) == (303, "/sign-in?next=%2Fkeys")
    cookie = chosen.headers["set-cookie"].partition(";")[0]
    page = await people.stranger.get("/sign-in", **{"accept-language": "en-GB", "cookie": cookie})
    assert '<html lang="fr">' in page.body.decode()


async def test_nonsense_in_cookies_and_headers_does_no_harm(people: People) -> None:
    for cookie in ("language=xx", 'language="<script>"', "=;=;", "intramuros_session=\xff"):
        answer = await people.stranger.get("/sign-in", cookie=cookie, **{"accept-language": ";;q=,"})
        assert answer.status == 200
        assert "<script>" not in answer.body.decode()
