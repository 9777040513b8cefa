"""What the headers of a request must say, and what those of every answer do say.

Called by the guard. Pure functions over header values; knows no routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from intramuros.errors import NotAllowed

Headers = list[tuple[bytes, bytes]]

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))
KEY_HEADERS = frozenset(("authorization", "x-api-key", "api-key"))
UNSAFE_METHODS = frozenset(("POST", "PUT", "PATCH", "DELETE"))

COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not "no-referrer": with that a browser sends "Origin: null" with the forms of these pages.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
)
PAGES = (
    *COMMON,
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
)
DATA = (*COMMON, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")


def with_security(headers: Headers, added: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """The headers of an answer and those every answer has, unless the answer says its own."""
    present = {name.lower() for name, _ in headers}
    return headers + [pair for pair in added if pair[0] not in present]


def check_host(headers: Mapping[str, str], hosts: frozenset[str] = LOOPBACK_HOSTS) -> None:
    """Refuses a name that is not this server's own: a page elsewhere may have pointed its name here (DNS rebinding).

    Shape: `hosts` are lower case, IPv6 addresses in brackets; `*.` stands for one label.

    Raises: NotAllowed.
    """
    name = headers.get("host", "").lower()
    host, _, port = (name, "", "") if name.endswith("]") else name.rpartition(":")
    if not host:
        host, port = port, ""
    if (
        (port and not (port.isascii() and port.isdigit()))
        or "*" in host
        or (host not in hosts and f"*.{host.partition('.')[2]}" not in hosts)
    ):
        raise NotAllowed(
            "This server does not answer to this name.",
            hint="Use the address the server printed. Other names it is to have: INTRAMUROS_PUBLIC_NAMES.",
            code="wrong_host",
        )


def check_origin(method: str, headers: Mapping[str, str]) -> None:
    """Refuses a change that a page of another site asked a signed-in browser for.

    A key in a header is not sent by a browser on its own, so such requests pass. Browsers say where a request comes
    from in `Sec-Fetch-Site`, older ones in `Origin`; what sends neither is not a browser.
    Raises: NotAllowed.
    Source: Go's net/http CrossOriginProtection; OWASP cross-site request forgery prevention.
    """
    if method not in UNSAFE_METHODS or not KEY_HEADERS.isdisjoint(headers):
        return
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        is_own = site in {"same-origin", "none"}
    else:
        is_own = origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    if not is_own:
        raise NotAllowed(
            "This request came from a page of another site.",
            hint="Open Intramuros itself in the browser and try there.",
            code="wrong_origin",
        )
