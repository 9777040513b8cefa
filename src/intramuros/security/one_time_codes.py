"""One-time codes from an authenticator app (TOTP): the secret, its QR code, and which time step a code belongs to.

Called by `accounts.one_time_codes`. It knows no people and remembers nothing: its caller takes a code once.

Source: RFC 6238 with SHA-1, six digits and steps of 30 s, which is what every app understands.
"""

from __future__ import annotations

import hmac

STEP_S = 30
DIGITS = 6
_WINDOW = 1  # steps a clock may be off
_ISSUER = "Intramuros"


def new_secret() -> str:
    """160 random bits in base 32, as apps take them. Source: RFC 4226, section 4, R6."""
    import pyotp

    return pyotp.random_base32(32)


def address(secret: str, *, account: str) -> str:
    """The `otpauth:` address that an app reads from a QR code."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=_ISSUER)


def picture(text: str) -> str:
    """A QR code as a `data:` address of an SVG picture, black on white whatever the page's colours are."""
    import segno

    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff"))


def step_of(secret: str, code: str, *, at: float, after: int) -> int | None:
    """The newest time step this code belongs to, if that is now, one before or one after, and later than `after`.

    Units: `at` in UTC seconds; steps counted from 1970. It works as long whatever is wrong.
    """
    import pyotp

    totp, current = pyotp.TOTP(secret), int(at) // STEP_S
    given, found = code.encode(), None
    for step in range(current - _WINDOW, current + _WINDOW + 1):
        is_it = hmac.compare_digest(totp.generate_otp(step).encode(), given)
        if is_it and step > after:
            found = step
    return found
