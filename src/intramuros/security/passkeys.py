"""Passkeys (WebAuthn): what a browser is asked, and whether what it answers proves the key of this site.

Called by `accounts.passkeys`. It knows no people, no tables and no challenges but the one it is given.

Every answer must say that its holder was verified (a finger, a face, a PIN), so that a passkey alone is two factors.
An answer is a stranger's text through several parsers: whatever goes wrong in them is a refusal.
Source: W3C Web Authentication Level 3, sections 7.1 and 7.2.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from intramuros.errors import BadRequest, NotSignedIn

TIMEOUT_MS = 120_000
_NAME = "Intramuros"


@dataclass(frozen=True, slots=True)
class Site:
    """What a passkey belongs to: the server's name (relying party), and the origin its pages have."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A passkey that was just made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def site_of(scheme: str, host: str) -> Site | None:
    """The site at this address; none where browsers make no passkeys: on an IP address, or without TLS elsewhere."""
    try:
        name = (urlsplit(f"{scheme}://{host}").hostname or "").rstrip(".")
    except ValueError:
        return None
    if not name or _is_number(name) or (scheme != "https" and name != "localhost"):
        return None
    return Site(name, f"{scheme}://{host.lower()}")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def making(site: Site, *, challenge: bytes, handle: str, email: str, name: str, existing: Iterable[bytes]) -> str:
    """What the browser is asked to make a passkey, as JSON."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.name,
        rp_name=_NAME,
        user_id=handle.encode(),
        user_name=email,
        user_display_name=name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in existing],
    )
    return str(options_to_json(options))


def asking(site: Site, *, challenge: bytes) -> str:
    """What the browser is asked to show a passkey, as JSON: any of this site that its holder picks."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=site.name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return str(options_to_json(options))


def made(answer: Mapping[str, Any], *, site: Site, challenge: bytes) -> NewKey:
    """The passkey in the browser's answer to `making`. Raises: BadRequest if anything in it is not as it must be."""
    from webauthn import verify_registration_response

    try:
        verified = verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except Exception as error:
        raise BadRequest("The passkey could not be checked.", code="passkey_refused") from error
    return NewKey(verified.credential_id, verified.credential_public_key, verified.sign_count)


def credential_of(answer: Mapping[str, Any]) -> bytes:
    """Which passkey an answer says it is of. Raises: NotSignedIn if it says none."""
    from webauthn import base64url_to_bytes

    try:
        return bytes(base64url_to_bytes(answer["rawId"]))
    except Exception as error:
        raise refused() from error


def challenge_of(answer: Mapping[str, Any]) -> bytes:
    """Which challenge an answer says it answers. Raises: NotSignedIn if it says none."""
    from webauthn import base64url_to_bytes
    from webauthn.helpers import parse_client_data_json

    try:
        return bytes(parse_client_data_json(base64url_to_bytes(answer["response"]["clientDataJSON"])).challenge)
    except Exception as error:
        raise refused() from error


def shown(
    answer: Mapping[str, Any], *, site: Site, challenge: bytes, public_key: bytes, handle: str, sign_count: int
) -> int:
    """The passkey's new count, when the browser's answer to `asking` proves it.

    Raises: NotSignedIn, with the code `passkey_copied` if the count is not higher than what was seen before.
    """
    from webauthn import base64url_to_bytes, verify_authentication_response

    try:
        said = answer["response"].get("userHandle")
        if said is not None and base64url_to_bytes(said) != handle.encode():
            raise refused()
        verified = verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # compared below, to tell a copy from a forgery
            require_user_verification=True,
        )
    except Exception as error:
        raise refused() from error
    count = int(verified.new_sign_count)
    if (count or sign_count) and count <= sign_count:
        raise refused(code="passkey_copied")
    return count


def refused(*, code: str = "passkey_refused") -> NotSignedIn:
    """A passkey that proves nothing here; the same words whatever was wrong."""
    return NotSignedIn("This passkey was not accepted.", hint="Try again, or sign in with the password.", code=code)
