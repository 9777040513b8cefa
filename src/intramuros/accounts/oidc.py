"""Signing in with the organisation's OpenID Connect provider: authorization code with PKCE, and strict tokens.

Called by the sign-in pages. It asks the provider through the `fetch` it is given; it knows no HTTP client, no
accounts and no pages. Every check that could be left out is made: issuer, audience, signature with a pinned algorithm
and a key of the provider's, nonce, times, `at_hash`, `azp`, state and the `iss` of the answer.

Source: OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE); RFC 9207 (issuer in the answer); RFC 8725.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from intramuros.accounts.external import Identity
from intramuros.errors import IntramurosError, NotSignedIn, SettingsError, SignInServiceFailed, StorageCorrupt
from intramuros.security.crypto import open_sealed, seal

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with a public key only: `none` and those with a shared secret let whoever knows the secret sign in."""

KEPT_S = 3600.0
NEW_KEYS_S = 60.0
ATTEMPT_S = 600
LEEWAY_S = 60
STRONG = frozenset({"mfa", "otp", "hwk", "swk", "fpt", "face", "iris", "pop", "sms", "sc"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_TOKEN = 64 * 1024


class Fetch(Protocol):
    """Asks a web address for JSON."""

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Awaitable[dict[str, Any]]:
        """The object it answers, to a GET or to a POST of the form. Raises: SignInServiceFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Client:
    """This installation at the provider. `name` is what people call the provider."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    name: str = "SSO"
    groups_claim: str = "groups"
    trusts_email: bool = False

    def __post_init__(self) -> None:
        if not _is_safe(self.issuer):
            raise SettingsError("INTRAMUROS_OIDC_ISSUER must be an https address.", hint="It is the provider's issuer.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in that is under way, kept sealed in the browser that began it."""

    state: str
    nonce: str
    verifier: str
    goes_to: str
    at: float


class OpenIdProvider:
    """The provider. `key` seals what a browser keeps while somebody signs in there."""

    def __init__(self, client: Client, fetch: Fetch, *, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self.client = client
        self._fetch = fetch
        self._key = key
        self._clock = clock
        self._about: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    async def begin(self, *, returns_to: str, goes_to: str) -> tuple[str, str]:
        """Where to send the browser, and what it must bring back in a cookie.

        `returns_to`: the address here that the provider sends the browser to; `goes_to`: the page after it.
        Raises: SignInServiceFailed.
        """
        about = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, goes_to, self._clock())
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": returns_to,
            "scope": "openid email profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        fields = [attempt.state, attempt.nonce, attempt.verifier, attempt.goes_to, attempt.at]
        sealed = base64.urlsafe_b64encode(seal(self._key, json.dumps(fields).encode(), context=b"oidc attempt"))
        joint = "&" if "?" in about["authorization_endpoint"] else "?"
        return f"{about['authorization_endpoint']}{joint}{urlencode(query)}", sealed.decode()

    async def finish(self, answer: Mapping[str, str], *, cookie: str, returns_to: str) -> tuple[Identity, str]:
        """Who has signed in, and the page to go to.

        Raises: NotSignedIn if the answer is none to this browser's attempt or the token does not hold;
        SignInServiceFailed if the provider can't be asked.
        """
        attempt = self._attempt(cookie)
        if not secrets.compare_digest(answer.get("state", ""), attempt.state):
            raise _refused("state")
        if answer.get("iss", self.client.issuer) != self.client.issuer:
            raise _refused("issuer")
        if "error" in answer or not answer.get("code"):
            raise _refused("declined", "You were not signed in there.")
        about = await self._metadata()
        tokens = await self._tokens(about, answer["code"], attempt, returns_to=returns_to)
        claims = await self._claims(tokens, nonce=attempt.nonce)
        if not claims.get("email") and "userinfo_endpoint" in about:
            claims |= await self._person(about, tokens, subject=claims["sub"])
        return self._identity(claims), attempt.goes_to

    async def _tokens(self, about: dict[str, Any], code: str, attempt: Attempt, *, returns_to: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": returns_to,
            "code_verifier": attempt.verifier,
            "client_id": self.client.client_id,
        }
        headers = {}
        methods = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self.client.client_secret is not None and "client_secret_basic" in methods:
            pair = ":".join(quote(part, safe="") for part in (self.client.client_id, self.client.client_secret))
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif self.client.client_secret is not None:
            form["client_secret"] = self.client.client_secret
        return await self._fetch(about["token_endpoint"], form=form, headers=headers)

    async def _claims(self, tokens: dict[str, Any], *, nonce: str) -> dict[str, Any]:
        token = tokens.get("id_token")
        if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
            raise _refused("no_token")
        about = await self._metadata()
        allowed = [name for name in about.get("id_token_signing_alg_values_supported", ["RS256"]) if name in ALGORITHMS]
        try:
            found = self._checked(token, await self._key_set(), allowed, tokens, nonce=nonce)
        except _UnknownKey:  # the provider may have changed its keys since
            found = self._checked(token, await self._key_set(anew=True), allowed, tokens, nonce=nonce)
        return found

    def _checked(
        self, token: str, keys: dict[str, Any], allowed: list[str], tokens: dict[str, Any], *, nonce: str
    ) -> dict[str, Any]:
        """The claims of a token that holds. Raises: NotSignedIn, _UnknownKey."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwk, jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        try:
            public = [key for key in keys.get("keys", []) if key.get("kty") != "oct" and key.get("use", "sig") == "sig"]
            if not public:
                raise _UnknownKey
            read = jwt.decode(token, jwk.KeySet.import_key_set({"keys": public}), algorithms=allowed)
            options = {
                "iss": {"essential": True, "value": self.client.issuer},
                "aud": {"essential": True, "value": self.client.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            params = {"nonce": nonce, "client_id": self.client.client_id, "access_token": tokens.get("access_token")}
            claims = CodeIDToken(read.claims, read.header, options, params)
            claims.validate(now=int(self._clock()), leeway=LEEWAY_S)
        except InvalidKeyIdError as error:
            raise _UnknownKey from error
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _refused("token") from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise _refused("token")
        return dict(claims)

    async def _person(self, about: dict[str, Any], tokens: dict[str, Any], *, subject: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {tokens.get('access_token', '')}"}
        person = await self._fetch(about["userinfo_endpoint"], headers=headers)
        if person.get("sub") != subject:
            raise _refused("userinfo")
        return {name: person[name] for name in _OF_A_PERSON | {self.client.groups_claim} if name in person}

    def _identity(self, claims: dict[str, Any]) -> Identity:
        email, groups = claims.get("email"), claims.get(self.client.groups_claim, [])
        if not isinstance(email, str) or "@" not in email:
            raise _refused("no_email", "The sign-in service did not say your e-mail address.")
        methods = claims.get("amr", [])
        return Identity(
            issuer=self.client.issuer,
            subject=claims["sub"],
            email=email,
            name=str(claims.get("name") or claims.get("preferred_username") or email),
            is_email_verified=claims.get("email_verified") is True or self.client.trusts_email,
            groups=tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else (),
            is_strong=isinstance(methods, list) and bool(STRONG & {str(method) for method in methods}),
        )

    def _attempt(self, cookie: str) -> Attempt:
        try:
            text = open_sealed(self._key, base64.urlsafe_b64decode(cookie), context=b"oidc attempt")
        except (StorageCorrupt, ValueError) as error:
            raise _refused("attempt") from error
        attempt = Attempt(*json.loads(text))
        if not 0 <= self._clock() - attempt.at <= ATTEMPT_S:
            raise _refused("attempt", "Signing in took too long.")
        return attempt

    async def _metadata(self) -> dict[str, Any]:
        """What the provider says about itself. Raises: SignInServiceFailed."""
        if self._about is None or self._clock() - self._about[0] > KEPT_S:
            about = await self._fetch(f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
            if about.get("issuer") != self.client.issuer:
                raise SignInServiceFailed("The sign-in service says it is another one than INTRAMUROS_OIDC_ISSUER.")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not isinstance(about.get(name), str) or not _is_safe(about[name]):
                    raise SignInServiceFailed(f"The sign-in service names no safe address as its {name}.")
            self._about = (self._clock(), about)
        return self._about[1]

    async def _key_set(self, *, anew: bool = False) -> dict[str, Any]:
        at = self._clock()
        age_s = at - self._keys[0] if self._keys else KEPT_S + 1
        if self._keys is None or age_s > KEPT_S or (anew and age_s > NEW_KEYS_S):
            self._keys = (at, await self._fetch((await self._metadata())["jwks_uri"]))
        elif anew:
            raise _refused("key")
        return self._keys[1]


class _UnknownKey(IntramurosError):
    """The token is signed with a key that is not among the provider's."""

    code, status = "sign_in_refused", 401


_OF_A_PERSON = frozenset({"email", "email_verified", "name", "preferred_username"})


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return is_safe and bool(parts.hostname) and not parts.username and not parts.password


def _refused(why: str, message: str = "The sign-in service's answer does not hold.") -> NotSignedIn:
    return NotSignedIn(message, hint="Begin again with the button on the sign-in page.", code=f"sso_{why}")
