"""An upstream: a model server that speaks OpenAI's API at some address, as an administrator described it.

Made by `engines.routing` from what is stored, and by the doors from what somebody typed. It knows no connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from math import isfinite
from typing import Annotated, Any, Literal, TypedDict

from yarl import URL

from intramuros.errors import BadRequest
from intramuros.privacy.egress import DEFAULT_PORTS, Rule

LOCAL = "local"
"""The name of the models of this machine, where a route names an upstream."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,29}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,68}")
"""Both with a slash between them are an identifier of the audit: 100 signs at most."""
LONGEST_KEY, LONGEST_URL, MOST_MODELS = 4096, 400, 200


@dataclass(frozen=True, slots=True)
class Waits:
    """How long an upstream may take: for a connection, the first token, each one after it, and all of an answer."""

    connect_s: float = 5.0
    first_token_s: float = 120.0
    between_s: float = 60.0
    whole_s: float = 900.0


class UpstreamDetails(TypedDict):
    """What is stored of an upstream beside its address and key."""

    models: list[str]
    context_tokens: int
    price_in: float | None
    price_out: float | None
    waits: Annotated[dict[str, Any], Waits]
    probes: bool | None


class UpstreamObject(UpstreamDetails):
    """An upstream, never with its key. Prices are for a million tokens, in euros."""

    name: str
    url: str
    where: Literal["inside", "outside"]
    has_key: bool


@dataclass(frozen=True, slots=True)
class Upstream:
    """One upstream. `url` ends where the API's own paths begin, as in `https://host/v1`.

    `is_outside`: its answers are written beyond the organisation's walls. Prices are for a million tokens, in euros:
    budgets count with them. `context_tokens` is what its models read, 0 where nobody said. `probes`: whether it is
    looked at in the background; None: if it stands inside.
    """

    name: str
    url: str
    is_outside: bool = True
    models: tuple[str, ...] = ()
    key: str | None = field(default=None, repr=False)
    context_tokens: int = 0
    price_in: float | None = None
    price_out: float | None = None
    waits: Waits = Waits()
    probes: bool | None = None
    created_at: float = 0.0

    @property
    def rule(self) -> Rule:
        """The one host that may be reached for it. An upstream outside never is a private address behind a name."""
        url = URL(self.url)
        host, port = url.raw_host or "", url.port or DEFAULT_PORTS[url.scheme]
        return Rule(host, url.scheme, port, private=not self.is_outside or is_loopback(host))

    @property
    def is_probed(self) -> bool:
        """Whether it is asked for its models now and then, if it may be."""
        return not self.is_outside if self.probes is None else self.probes

    def address(self, path: str) -> str:
        """Where one of OpenAI's paths (`/v1/…`) or another of the server's own is."""
        if path.startswith("/v1/"):
            return self.url + path.removeprefix("/v1")
        return self.url.removesuffix("/v1") + path

    def details(self) -> UpstreamDetails:
        """What is stored beside its address and key."""
        return {
            "models": list(self.models),
            "context_tokens": self.context_tokens,
            "price_in": self.price_in,
            "price_out": self.price_out,
            "waits": asdict(self.waits),
            "probes": self.probes,
        }

    @classmethod
    def stored(cls, details: Mapping[str, Any], **values: Any) -> Upstream:
        """What `details` gave, with the rest."""
        return cls(
            models=tuple(details["models"]),
            context_tokens=details["context_tokens"],
            price_in=details["price_in"],
            price_out=details["price_out"],
            waits=Waits(**details["waits"]),
            probes=details.get("probes"),
            **values,
        )

    def to_json(self) -> UpstreamObject:
        """All of it that may be shown: never its key."""
        return {
            "name": self.name,
            "url": self.url,
            "where": "outside" if self.is_outside else "inside",
            "has_key": self.key is not None,
            **self.details(),
        }


def checked(upstream: Upstream) -> Upstream:
    """The same upstream with its address in one form. Raises: BadRequest that says what can't be."""
    if not NAME.fullmatch(upstream.name) or upstream.name == LOCAL:
        raise _bad("An upstream's name has lower-case letters, digits, '.', '_' and '-', and isn't 'local'.", "name")
    if len(upstream.models) > MOST_MODELS or not all(MODEL.fullmatch(model) for model in upstream.models):
        raise _bad("A model's name has letters, digits and . _ : / @ + - only.", "models")
    if upstream.key is not None and not _is_key(upstream.key):
        raise _bad("The key has spaces or signs that no header can carry.", "key")
    for price in (upstream.price_in, upstream.price_out):
        if price is not None and not (isfinite(price) and 0 <= price <= 1e6):
            raise _bad("A price is for a million tokens: a number from 0.", "price")
    waits = asdict(upstream.waits).values()
    if not all(isfinite(wait) and 0.05 <= wait <= 86_400 for wait in waits) or upstream.context_tokens < 0:
        raise _bad("Waits are seconds, from 0.05 to 86400; the context is a number of tokens.", "waits")
    return replace(upstream, url=_address(upstream.url, is_outside=upstream.is_outside))


def _address(text: str, *, is_outside: bool) -> str:
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        host, port = None, None
    if not host or not port or url.scheme not in DEFAULT_PORTS or url.user or url.password or len(text) > LONGEST_URL:
        raise _bad("The address is no web address. Write https://host/v1 or http://host:8000", "url")
    if url.query_string or url.fragment:
        raise _bad("The address has a query or a fragment; keys belong in the key.", "url")
    if url.scheme == "http" and is_outside and not is_loopback(host):
        raise _bad("What goes outside goes encrypted: the address must begin with https://", "url")
    path = url.raw_path.rstrip("/")
    return f"{url.origin()}{path or '/v1'}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by number or as `localhost`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names(text: str) -> tuple[str, ...]:
    """The models in a list with commas."""
    return unique(part.strip() for part in text.split(","))


def unique(models: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(model for model in models if model))


def _is_key(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key


def _bad(message: str, param: str) -> BadRequest:
    return BadRequest(message, code="bad_upstream", param=param)
