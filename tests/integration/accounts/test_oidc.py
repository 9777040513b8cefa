"""Signing in with an OpenID Connect provider: a real one on this machine, and one that forges."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwk, jwt

from intramuros.accounts.oidc import ATTEMPT_S, Client, OpenIdProvider
from intramuros.errors import NotSignedIn, SettingsError, SignInServiceFailed
from intramuros.privacy.egress import Egress
from intramuros.privacy.json_client import JsonClient

KEY = bytes(range(32))
BACK = "http://localhost:8777/sign-in/sso/callback"
ALICE = {
    "email": "alice@firm.example",
    "email_verified": True,
    "name": "Alice Élan",
    "groups": ["Staff", "Accounts"],
    "amr": ["pwd", "otp"],
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    mock = pytest.importorskip("oidc_provider_mock")
    people = [mock.User(sub="a1", claims=ALICE), mock.User(sub="b2", claims={"name": "No Address"})]
    with mock.run_server_in_thread(require_nonce=True, user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provider(issuer: str) -> OpenIdProvider:
    fetch = JsonClient(Egress([issuer]))
    return OpenIdProvider(Client(issuer, "intramuros", "a secret: with %"), fetch, key=KEY)


def signed_in(address: str, subject: str) -> dict[str, str]:
    """What the browser brings back after that person signed in at the provider."""
    answer = httpx.post(address, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def test_a_person_comes_back_known(provider: OpenIdProvider) -> None:
    address, cookie = await provider.begin(returns_to=BACK, goes_to="/projects/x")
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert "state" in asked and "nonce" in asked
    found, goes_to = await provider.finish(signed_in(address, "a1"), cookie=cookie, returns_to=BACK)
    assert (found.subject, found.email, found.name) == ("a1", "alice@firm.example", "Alice Élan")
    assert found.is_email_verified and found.is_strong
    assert found.groups == ("Staff", "Accounts")
    assert goes_to == "/projects/x"


async def test_a_code_works_once_and_in_the_browser_that_began(provider: OpenIdProvider) -> None:
    address, cookie = await provider.begin(returns_to=BACK, goes_to="/")
    _, other = await provider.begin(returns_to=BACK, goes_to="/")
    answer = signed_in(address, "a1")
    for wrong in ("", "x", other, cookie[:-4] + "AAAA"):
        with pytest.raises(NotSignedIn):
            await provider.finish(answer, cookie=wrong, returns_to=BACK)
    await provider.finish(answer, cookie=cookie, returns_to=BACK)
    with pytest.raises(SignInServiceFailed):
        await provider.finish(answer, cookie=cookie, returns_to=BACK)


async def test_a_stolen_code_is_nothing_without_the_verifier(provider: OpenIdProvider) -> None:
    """PKCE: somebody else's code in one's own attempt."""
    address, _ = await provider.begin(returns_to=BACK, goes_to="/")
    stolen = signed_in(address, "a1")
    mine, cookie = await provider.begin(returns_to=BACK, goes_to="/")
    state = parse_qs(urlsplit(mine).query)["state"][0]
    with pytest.raises((NotSignedIn, SignInServiceFailed)):
        await provider.finish(stolen | {"state": state}, cookie=cookie, returns_to=BACK)


async def test_an_attempt_grows_old(issuer: str) -> None:
    at = time.time()
    provider = OpenIdProvider(Client(issuer, "intramuros"), JsonClient(Egress([issuer])), key=KEY, clock=lambda: at)
    address, cookie = await provider.begin(returns_to=BACK, goes_to="/")
    answer = signed_in(address, "a1")
    at += ATTEMPT_S + 1
    with pytest.raises(NotSignedIn, match="too long"):
        await provider.finish(answer, cookie=cookie, returns_to=BACK)


async def test_who_declines_or_has_no_address_is_not_signed_in(provider: OpenIdProvider) -> None:
    address, cookie = await provider.begin(returns_to=BACK, goes_to="/")
    state = parse_qs(urlsplit(address).query)["state"][0]
    with pytest.raises(NotSignedIn, match="not signed in there"):
        await provider.finish({"state": state, "error": "access_denied"}, cookie=cookie, returns_to=BACK)
    with pytest.raises(NotSignedIn, match="address"):
        await provider.finish(signed_in(address, "b2"), cookie=cookie, returns_to=BACK)


async def test_another_provider_s_answer_is_refused(provider: OpenIdProvider) -> None:
    """Mix-up attack, RFC 9207."""
    address, cookie = await provider.begin(returns_to=BACK, goes_to="/")
    answer = signed_in(address, "a1") | {"iss": "https://evil.example"}
    with pytest.raises(NotSignedIn):
        await provider.finish(answer, cookie=cookie, returns_to=BACK)


async def test_nothing_is_asked_of_hosts_that_are_not_allowed(issuer: str) -> None:
    provider = OpenIdProvider(Client(issuer, "intramuros"), JsonClient(Egress()), key=KEY)
    with pytest.raises(SignInServiceFailed) as caught:
        await provider.begin(returns_to=BACK, goes_to="/")
    assert caught.value.code == "sign_in_service_not_allowed"


@pytest.mark.parametrize("issuer", ["http://sso.firm.example", "ftp://x", "", "https://u:p@sso.firm.example"])
def test_an_issuer_must_be_safe(issuer: str) -> None:
    with pytest.raises(SettingsError):
        Client(issuer, "intramuros")


# A provider that forges: everything it answers is made here.

ISSUER = "https://sso.firm.example"
RIGHT = jwk.RSAKey.generate_key(2048, parameters={"kid": "one"})
OTHER = jwk.RSAKey.generate_key(2048, parameters={"kid": "one"})
STRANGE = jwk.RSAKey.generate_key(2048, parameters={"kid": "two"})
Forge = Callable[[dict[str, Any]], str]


class Forger:
    """Answers as a provider does, with a token that a test makes."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.nonce = ""
        self.about: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        self.keys: list[dict[str, Any]] = [dict(RIGHT.as_dict(private=False))]
        self.asked: list[str] = []

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Awaitable[dict[str, Any]]:
        return self.answer(url)

    async def answer(self, url: str) -> dict[str, Any]:
        self.asked.append(url)
        if url.endswith("/openid-configuration"):
            return self.about
        if url.endswith("/keys"):
            return {"keys": self.keys}
        at = int(time.time())
        claims = {"iss": ISSUER, "aud": "intramuros", "sub": "a1", "iat": at, "exp": at + 300, "nonce": self.nonce}
        return {"access_token": "at", "id_token": self.forge(claims | {"email": "alice@firm.example"})}


def rs256(claims: dict[str, Any], key: Any = RIGHT, **header: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"} | header, claims, key)


def handmade(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


def unsigned(claims: dict[str, Any]) -> str:
    return handmade({"alg": "none", "typ": "JWT"}, claims, lambda text: b"")


def with_public_key_as_secret(claims: dict[str, Any]) -> str:
    """Algorithm confusion: the provider's public key, which everybody has, as an HMAC secret."""
    secret = RIGHT.as_pem(private=False)
    header = {"alg": "HS256", "kid": "one"}
    return handmade(header, claims, lambda text: hmac.digest(secret, text, "sha256"))


def with_unknown_critical_header(claims: dict[str, Any]) -> str:
    private = RIGHT.private_key
    assert private is not None
    header = {"alg": "RS256", "kid": "one", "crit": ["b64x"], "b64x": False}
    return handmade(header, claims, lambda text: private.sign(text, padding.PKCS1v15(), hashes.SHA256()))


def with_null_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, jwk.OctKey.import_key(b"\0" * 32))


def with_key_in_the_token(claims: dict[str, Any]) -> str:
    return rs256(claims, OTHER, jwk=dict(OTHER.as_dict(private=False)))


def without(name: str) -> Forge:
    return lambda claims: rs256({key: value for key, value in claims.items() if key != name})


def saying(**wrong: Any) -> Forge:
    return lambda claims: rs256(claims | wrong)


async def finish(forger: Forger) -> Any:
    provider = OpenIdProvider(Client(ISSUER, "intramuros"), forger, key=KEY)
    address, cookie = await provider.begin(returns_to=BACK, goes_to="/")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    forger.nonce = asked["nonce"]
    return await provider.finish({"state": asked["state"], "code": "c"}, cookie=cookie, returns_to=BACK)


async def test_a_good_token_holds() -> None:
    found, _ = await finish(Forger(rs256))
    assert found.subject == "a1"
    assert not found.is_email_verified and not found.is_strong


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        with_public_key_as_secret,
        with_null_key,
        with_key_in_the_token,
        lambda claims: rs256(claims, OTHER),
        lambda claims: rs256(claims, STRANGE, kid="two"),
        lambda claims: rs256(claims)[:-8] + "AAAAAAAA",
        with_unknown_critical_header,
        lambda claims: "x.y.z",
        lambda claims: "",
        lambda claims: "a" * 100_000,
        saying(aud="another-client"),
        saying(aud=["another-client", "third"]),
        saying(aud=["intramuros", "another-client"]),
        saying(aud=["intramuros", "another-client"], azp="another-client"),
        saying(iss="https://evil.example"),
        saying(iss=ISSUER + "/"),
        saying(nonce="another"),
        saying(exp=int(time.time()) - 3600),
        saying(nbf=int(time.time()) + 3600),
        saying(iat=int(time.time()) + 3600),
        saying(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
        saying(sub=""),
        saying(sub=17),
        *[without(name) for name in ("iss", "aud", "sub", "exp", "iat", "nonce")],
    ],
)
async def test_forged_tokens_are_refused(forge: Forge) -> None:
    with pytest.raises(NotSignedIn):
        await finish(Forger(forge))


async def test_an_empty_key_set_lets_nobody_in() -> None:
    forger = Forger(rs256)
    forger.keys = []
    with pytest.raises(NotSignedIn):
        await finish(forger)
    forger.keys = [{"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "kid": "one"}]
    with pytest.raises(NotSignedIn):
        await finish(Forger(with_null_key))


async def test_new_keys_are_fetched_once_when_the_provider_changes_them() -> None:
    forger = Forger(lambda claims: rs256(claims, STRANGE, kid="two"))
    clock = [time.time()]
    provider = OpenIdProvider(Client(ISSUER, "intramuros"), forger, key=KEY, clock=lambda: clock[0])

    async def sign_in() -> Any:
        address, cookie = await provider.begin(returns_to=BACK, goes_to="/")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        forger.nonce = asked["nonce"]
        return await provider.finish({"state": asked["state"], "code": "c"}, cookie=cookie, returns_to=BACK)

    with pytest.raises(NotSignedIn):
        await sign_in()
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            await sign_in()
    assert forger.asked.count(f"{ISSUER}/keys") == 1, "not for every bad token"
    forger.keys = [dict(STRANGE.as_dict(private=False))]
    clock[0] += 120
    found, _ = await sign_in()
    assert found.subject == "a1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://sso.firm.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
)
async def test_a_provider_that_describes_itself_wrongly_is_not_asked(wrong: dict[str, Any]) -> None:
    forger = Forger(rs256)
    forger.about |= wrong
    with pytest.raises(SignInServiceFailed):
        await finish(forger)
    assert len(forger.asked) == 1
