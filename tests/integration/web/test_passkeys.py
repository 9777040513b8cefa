"""Passkeys: made, shown, removed; and everything an attacker may try instead of the right key on the right site."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from intramuros.errors import BadRequest, NotSignedIn
from intramuros.security import passkeys as security
from intramuros.security.passkeys import site_of
from intramuros.storage.schema import passkeys, steps
from tests.asgi import Answer
from tests.installed import PASSWORD, Installed
from tests.integration.web.conftest import text_of
from tests.support.authenticator import Authenticator, coded, plain
from tests.support.jar import STEP, Jar

ALICE, BOB = "alice@firm.example", "bob@firm.example"


async def add(jar: Jar, key: Authenticator, *, name: str = "Clé bleue") -> Answer:
    options = await jar.tell("/account/passkeys/options", {})
    assert options.status == 200, options.body
    return await jar.tell("/account/passkeys", {"name": name, "credential": key.make(options.json())})


async def sign_in(jar: Jar, key: Authenticator, **more: Any) -> Answer:
    options = (await jar.tell("/sign-in/passkey/options", {})).json()
    return await jar.tell("/sign-in/passkey", {"credential": key.show(options), **more})


@pytest.fixture
async def key(installed: Installed) -> Authenticator:
    """Alice's key, registered."""
    jar, key = Jar(installed.guard), Authenticator()
    await jar.sign_in(ALICE, PASSWORD)
    assert (await add(jar, key)).status == 200
    return key


async def test_a_passkey_is_made_named_and_signs_in_alone(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    answer = await sign_in(jar, key, next="/keys")
    assert (answer.status, answer.json()) == (200, {"next": "/keys"})
    assert jar.session and not jar.step
    page = text_of(await jar.get("/account"))
    assert "Clé bleue" in page and "clé d’accès" in page
    record = installed.records("sign_in.passkey")[-1]
    assert (record.facts["method"], record.outcome) == ("passkey", "ok") and record.actor
    assert (await sign_in(Jar(installed.guard), key)).status == 200, "again, with the next count"


async def test_it_asks_for_a_key_that_is_found_and_verified(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    asked = (await jar.tell("/sign-in/passkey/options", {})).json()
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == ("localhost", "required", [])
    await sign_in(jar, key)
    made = (await jar.tell("/account/passkeys/options", {})).json()
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["attestation"] == "none"
    assert [known["id"] for known in made["excludeCredentials"]] == [coded(key.credential_id)]


async def test_with_a_passkey_the_password_alone_is_not_enough(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    assert (await jar.sign_in(ALICE, PASSWORD)).headers["location"] == "/sign-in/second"
    assert "Présentez maintenant votre clé d’accès" in text_of(await jar.get("/sign-in/second"))
    assert not jar.session
    step = jar.step
    assert (await sign_in(jar, key)).status == 200
    assert jar.session and installed.app.steps.look("second", step) is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {"origin": "http://localhost:9999"},
        {"origin": "https://localhost:8777"},
        {"origin": "http://evil.test"},
        {"origin": "http://localhost:8777.evil.test"},
        {"site": "evil.test"},
        {"is_verifying": False},
        {"handle": b"somebody-else-xx"},
        {"key": Authenticator().key},
        {"credential_id": b"y" * 32},
    ],
    ids=lambda spoilt: "-".join(spoilt),
)
async def test_what_is_not_this_key_on_this_site_is_refused(
    installed: Installed, key: Authenticator, spoilt: dict[str, Any]
) -> None:
    for name, value in spoilt.items():
        setattr(key, name, value)
    jar = Jar(installed.guard)
    answer = await sign_in(jar, key)
    assert (answer.status, answer.json()["code"]) == (401, "passkey_refused")
    assert not jar.session


async def test_an_answer_is_good_once(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    options = (await jar.tell("/sign-in/passkey/options", {})).json()
    holder, answer = jar.step, key.show(options)
    assert (await jar.tell("/sign-in/passkey", {"credential": answer})).status == 200
    thief = Jar(installed.guard)
    thief.cookies[STEP] = holder
    again = await thief.tell("/sign-in/passkey", {"credential": answer})
    assert (again.status, again.json()["code"]) == (401, "step_expired") and not thief.session


async def test_a_challenge_belongs_to_the_browser_that_asked(installed: Installed, key: Authenticator) -> None:
    victim, thief = Jar(installed.guard), Jar(installed.guard)
    answer = key.show((await victim.tell("/sign-in/passkey/options", {})).json())
    assert (await Jar(installed.guard).tell("/sign-in/passkey", {"credential": answer})).status == 401
    await thief.tell("/sign-in/passkey/options", {})
    assert (await thief.tell("/sign-in/passkey", {"credential": answer})).status == 401
    assert not thief.session
    assert (await victim.tell("/sign-in/passkey", {"credential": answer})).status == 200


async def test_a_challenge_expires_and_can_t_be_made_up(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    options = (await jar.tell("/sign-in/passkey/options", {})).json()
    own = {**options, "challenge": coded(b"a challenge of the attacker's own")}
    assert (await jar.tell("/sign-in/passkey", {"credential": key.show(own)})).status == 401
    with installed.app.database.write() as connection:
        connection.execute(update(steps).values(expires_at=1.0))
    assert (await jar.tell("/sign-in/passkey", {"credential": key.show(options)})).status == 401
    assert not jar.session


async def test_a_challenge_to_make_a_key_is_none_to_sign_in(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    await sign_in(jar, key)
    options = (await jar.tell("/account/passkeys/options", {})).json()
    thief = Jar(installed.guard)
    thief.cookies[STEP] = jar.session
    assert (await thief.tell("/sign-in/passkey", {"credential": key.show(options)})).status == 401
    for kind in ("webauthn.create", "payment.get"):
        options = (await thief.tell("/sign-in/passkey/options", {})).json()
        assert (await thief.tell("/sign-in/passkey", {"credential": key.show(options, kind=kind)})).status == 401


@pytest.mark.parametrize("back", [1, 2])
async def test_a_copied_key_is_noticed_by_its_count(installed: Installed, key: Authenticator, back: int) -> None:
    assert (await sign_in(Jar(installed.guard), key)).status == 200
    assert (await sign_in(Jar(installed.guard), key)).status == 200
    key.count -= back
    jar = Jar(installed.guard)
    answer = await sign_in(jar, key)
    assert (answer.status, answer.json()["code"]) == (401, "passkey_copied") and not jar.session
    assert installed.records("sign_in.passkey")[-1].facts["error"] == "passkey_copied"


async def test_of_two_answers_at_once_with_one_count_one_is_a_copy(
    installed: Installed, key: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, jar = security.shown, Jar(installed.guard)

    def meanwhile(*arguments: Any, **more: Any) -> int:
        count = real(*arguments, **more)
        with installed.app.database.write() as connection:
            connection.execute(update(passkeys).values(sign_count=count))
        return count

    monkeypatch.setattr(security, "shown", meanwhile)
    answer = await sign_in(jar, key)
    assert (answer.status, answer.json()["code"]) == (401, "passkey_copied") and not jar.session


async def test_keys_that_do_not_count_work(installed: Installed) -> None:
    jar, key = Jar(installed.guard), Authenticator()
    await jar.sign_in(ALICE, PASSWORD)
    await add(jar, key)
    for _ in range(2):
        key.count = -1
        assert (await sign_in(Jar(installed.guard), key)).status == 200


async def test_a_suspended_persons_key_opens_nothing(installed: Installed, key: Authenticator) -> None:
    user = installed.app.users.by_email(ALICE)
    assert user
    installed.app.users.suspend(user.id)
    jar = Jar(installed.guard)
    assert (await sign_in(jar, key)).status == 401 and not jar.session


@pytest.mark.parametrize(
    "spoilt",
    [{"origin": "http://evil.test"}, {"site": "evil.test"}, {"is_verifying": False}],
    ids=lambda s: "-".join(s),
)
async def test_a_key_of_another_site_is_not_taken(installed: Installed, spoilt: dict[str, Any]) -> None:
    jar, key = Jar(installed.guard), Authenticator(**spoilt)
    await jar.sign_in(ALICE, PASSWORD)
    answer = await add(jar, key)
    assert (answer.status, answer.json()["code"]) == (400, "passkey_refused")
    assert not installed.app.factors.has_any(installed.records("passkey.add")[-1].actor)


async def test_a_key_is_added_once_by_one_person(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(BOB, PASSWORD)
    stolen = copy.copy(key)
    answer = await add(jar, stolen)
    assert (answer.status, answer.json()["code"]) == (409, "passkey_in_use")


async def test_an_answer_to_make_a_key_is_good_once_and_for_its_own_session(installed: Installed) -> None:
    alice, bob = Jar(installed.guard), Jar(installed.guard)
    await alice.sign_in(ALICE, PASSWORD)
    await bob.sign_in(BOB, PASSWORD)
    options = (await alice.tell("/account/passkeys/options", {})).json()
    credential = Authenticator().make(options)
    told = {"name": "x", "credential": credential}
    assert (await bob.tell("/account/passkeys", told)).status == 401
    assert (await alice.tell("/account/passkeys", told)).status == 200
    assert (await alice.tell("/account/passkeys", told)).status == 401
    with installed.app.database.read() as connection:
        assert len(connection.execute(select(passkeys)).all()) == 1


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb"])
async def test_a_key_has_a_name_a_person_can_read(installed: Installed, name: str) -> None:
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    answer = await add(jar, Authenticator(), name=name)
    assert (answer.status, answer.json()["code"]) == (400, "bad_passkey_name")


async def test_the_scripts_requests_carry_the_sessions_token(installed: Installed, key: Authenticator) -> None:
    jar = Jar(installed.guard)
    await sign_in(jar, key)
    for path in ("/account/passkeys/options", "/account/passkeys", "/account/prove/options", "/account/prove/passkey"):
        for wrong in ("", "0" * 64):
            answer = await jar.tell(path, {}, csrf_token=wrong or "x")
            assert (answer.status, answer.json()["code"]) == (403, "csrf"), path
    jar.client.headers["sec-fetch-site"] = "cross-site"
    for path in ("/sign-in/passkey/options", "/sign-in/passkey"):
        assert (await jar.tell(path, {})).status == 403


async def test_removing_is_for_ones_own(installed: Installed, key: Authenticator) -> None:
    jar, bob = Jar(installed.guard), Jar(installed.guard)
    await sign_in(jar, key)
    await bob.sign_in(BOB, PASSWORD)
    user = installed.app.users.by_email(ALICE)
    assert user
    own = installed.app.factors.passkeys.list(user.id)[0]
    assert (await bob.post(f"/account/passkeys/{own.id}/remove")).status == 404
    assert (await jar.post(f"/account/passkeys/{own.id}/remove")).status == 303
    assert (await sign_in(Jar(installed.guard), key)).status == 401
    assert (await Jar(installed.guard).sign_in(ALICE, PASSWORD)).headers["location"] == "/"


async def test_proving_takes_ones_own_key_and_renews_the_session(
    installed: Installed, key: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar, bob, other = Jar(installed.guard), Jar(installed.guard), Authenticator()
    await sign_in(jar, key)
    await bob.sign_in(BOB, PASSWORD)
    await add(bob, other)
    before = jar.session
    options = (await jar.tell("/account/prove/options", {})).json()
    answer = await jar.tell("/account/prove/passkey", {"credential": other.show(options)})
    assert answer.status == 401 and jar.session == before
    options = (await jar.tell("/account/prove/options", {})).json()
    assert (await jar.tell("/account/prove/passkey", {"credential": key.show(options)})).status == 200
    assert jar.session != before and installed.app.sessions.caller(before) is None


async def test_on_a_numeric_address_there_are_no_passkeys(installed: Installed) -> None:
    jar = Jar(installed.guard)
    jar.client.headers["host"] = "127.0.0.1:8777"
    assert "data-passkey" not in (await jar.get("/sign-in")).body.decode()
    answer = await jar.tell("/sign-in/passkey/options", {})
    assert (answer.status, answer.json()["code"]) == (400, "no_passkeys_here")
    await jar.sign_in(ALICE, PASSWORD)
    assert "ouvrez Intramuros par http://localhost" in text_of(await jar.get("/account"))


@pytest.mark.parametrize(
    ("scheme", "host", "name"),
    [
        ("http", "localhost:8777", "localhost"),
        ("https", "IA.firm.example", "ia.firm.example"),
        ("https", "localhost", "localhost"),
        ("http", "ia.firm.example", None),
        ("http", "127.0.0.1:8777", None),
        ("https", "[::1]:8777", None),
        ("https", "10.0.0.7", None),
        ("https", "", None),
        ("https", "[x", None),
    ],
)
def test_which_addresses_have_passkeys(scheme: str, host: str, name: str | None) -> None:
    site = site_of(scheme, host)
    assert (site.name if site else None) == name
    if site:
        assert site.origin == f"{scheme}://{host.lower()}"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary().map(coded),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature",
                         "userHandle", "attestationObject"]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(values)
def test_whatever_a_stranger_sends_is_refused_and_nothing_else(value: Any) -> None:
    site = site_of("https", "ia.firm.example")
    assert site
    answer = value if isinstance(value, dict) else {"response": value, "rawId": value}
    with pytest.raises(NotSignedIn):
        security.challenge_of(answer)
        security.shown(answer, site=site, challenge=b"c", public_key=b"k", handle="h", sign_count=0)
    with pytest.raises(BadRequest):
        security.made(answer, site=site, challenge=b"c")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_changed_byte_is_refused(data: st.DataObject) -> None:
    site = site_of("http", "localhost:8777")
    assert site
    key = _KEY
    options = json.loads(security.asking(site, challenge=b"c" * 32))
    answer = key.show(options)
    field = data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]))
    content = bytearray(plain(answer["response"][field]))
    content[data.draw(st.integers(0, 10_000)) % len(content)] ^= 1 << data.draw(st.integers(0, 7))
    answer["response"][field] = coded(bytes(content))
    with pytest.raises(NotSignedIn):
        security.shown(answer, site=site, challenge=b"c" * 32, public_key=_PUBLIC, handle="alice", sign_count=0)


_KEY = Authenticator()
_MAKING = json.loads(
    security.making(
        site_of("http", "localhost:8777"),  # type: ignore[arg-type]
        challenge=b"c" * 32,
        handle="alice",
        email=ALICE,
        name="Alice",
        existing=(),
    )
)
_PUBLIC = security.made(
    _KEY.make(_MAKING),
    site=site_of("http", "localhost:8777"),  # type: ignore[arg-type]
    challenge=b"c" * 32,
).public_key
