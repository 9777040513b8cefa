"""A route: the targets that may answer under a model's name, and the order in which one request tries them.

Made by `engines.routing` and the doors; read by the router. It knows no connections and no health.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import orjson

from intramuros.engines.engine import ChatRequest
from intramuros.engines.upstream import LOCAL, MODEL, NAME
from intramuros.errors import BadRequest

ROUTE_NAME = MODEL
MOST_TARGETS = 16
LARGEST_WEIGHT = 1000.0
_TARGET = re.compile(r"(?P<upstream>[^/]+)/(?P<model>[^=@]+)(?:=(?P<weight>[0-9.]+))?")


@dataclass(frozen=True, slots=True)
class Target:
    """One model of one upstream, or of this machine (`local`). Weights count among the first targets of a route."""

    upstream: str
    model: str
    weight: float = 1.0

    @property
    def name(self) -> str:
        """`upstream/model`, as people write it."""
        return f"{self.upstream}/{self.model}"

    @property
    def is_local(self) -> bool:
        """Whether it is a model of this machine."""
        return self.upstream == LOCAL

    @classmethod
    def parse(cls, text: str) -> Target:
        """Reads `upstream/model` or `upstream/model=weight`. Raises: BadRequest."""
        found = _TARGET.fullmatch(text.strip())
        try:
            weight = float((found and found["weight"]) or 1)
        except ValueError:
            weight = -1.0
        if not found or not NAME.fullmatch(found["upstream"]) or not MODEL.fullmatch(found["model"]):
            raise _bad(
                f"{text!r} is no target: write upstream/model or upstream/model=weight; local/… is this machine."
            )
        if not 0 < weight <= LARGEST_WEIGHT:
            raise _bad(f"A weight is a number above 0, up to {LARGEST_WEIGHT:.0f}.")
        return cls(found["upstream"], found["model"], weight)

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{self.name}={self.weight:g}"


class RouteObject(TypedDict):
    """A route: its targets as `upstream/model` or `upstream/model=weight`."""

    name: str
    targets: list[str]
    fallbacks: list[str]
    overflows: list[str]
    shadow: str | None
    shadow_share: float


@dataclass(frozen=True, slots=True)
class Route:
    """What answers under `name`.

    `targets` share the requests by weight; `fallbacks` are tried in order when those fail; `overflows` when a prompt is
    too long for who was asked. `shadow` gets a copy of a `shadow_share` of the requests, and nobody sees its answers.
    """

    name: str
    targets: tuple[Target, ...]
    fallbacks: tuple[Target, ...] = ()
    overflows: tuple[Target, ...] = ()
    shadow: Target | None = None
    shadow_share: float = 0.0

    @property
    def all_targets(self) -> tuple[Target, ...]:
        """Every target it names, each once."""
        shadow = (self.shadow,) if self.shadow else ()
        found = {target.name: target for target in (*self.targets, *self.fallbacks, *self.overflows, *shadow)}
        return tuple(found.values())

    def names(self, upstream: str) -> bool:
        """Whether a target of it is of this upstream."""
        return any(target.upstream == upstream for target in self.all_targets)

    def renamed_upstream(self, was: str, name: str) -> Route:
        """The same with the targets of an upstream under its new name."""

        def renamed(targets: Iterable[Target]) -> tuple[Target, ...]:
            return tuple(replace(target, upstream=name) if target.upstream == was else target for target in targets)

        return replace(
            self,
            targets=renamed(self.targets),
            fallbacks=renamed(self.fallbacks),
            overflows=renamed(self.overflows),
            shadow=renamed((self.shadow,))[0] if self.shadow else None,
        )

    @property
    def is_compared(self) -> bool:
        """Whether its answers are counted, to tell its targets apart."""
        return self.shadow is not None or len(self.targets) > 1

    def order(self, prefix: bytes) -> list[Target]:
        """The first targets for a request with this prefix, best first.

        The same prefix goes to the same target while it is well, and each target is first for its weight's share of
        all prefixes: when one fails, only its own share moves.
        Source: Thaler, Ravishankar, "Using name-based mappings to increase hit rates" (rendezvous hashing);
        Schindelhauer, Schomaker, "Weighted distributed hash tables" (the logarithm).
        """
        if len(self.targets) == 1:
            return list(self.targets)
        return sorted(self.targets, key=lambda target: _score(prefix, target), reverse=True)

    def to_json(self) -> RouteObject:
        """As it is stored and shown."""
        return {
            "name": self.name,
            "targets": [str(target) for target in self.targets],
            "fallbacks": [target.name for target in self.fallbacks],
            "overflows": [target.name for target in self.overflows],
            "shadow": self.shadow.name if self.shadow else None,
            "shadow_share": self.shadow_share,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Route:
        """A route as somebody wrote it. Raises: BadRequest that says what can't be."""
        shadow = values.get("shadow")
        route = cls(
            name=str(values.get("name", "")),
            targets=_targets(values.get("targets") or ()),
            fallbacks=_targets(values.get("fallbacks") or ()),
            overflows=_targets(values.get("overflows") or ()),
            shadow=Target.parse(str(shadow)) if shadow else None,
            shadow_share=_share(values.get("shadow_share", 0.0)) if shadow else 0.0,
        )
        if not ROUTE_NAME.fullmatch(route.name):
            raise _bad("A route's name has letters, digits and . _ : / @ + - only.")
        if not route.targets:
            raise _bad("A route needs one target at least: upstream/model, or local/model.")
        if shadow and not route.shadow_share:
            raise _bad("Say which share of the requests the shadow gets, from 0.001 to 1.")
        return route


def prefix_of(request: ChatRequest, *, key: bytes) -> bytes:
    """What the turns of one conversation have in common: their messages up to the first of the person, hashed.

    Keyed, so that nobody who sees where requests go can try out what they said.
    """
    leading: list[Any] = []
    messages = request.get("messages")
    for message in messages if isinstance(messages, list | tuple) else ():
        leading.append(message)
        if not isinstance(message, Mapping) or message.get("role") not in {"system", "developer"}:
            break
    text = orjson.dumps(leading or request.get("prompt") or request.get("input"), default=str)
    return hmac.digest(key, text, "sha256")


def _score(prefix: bytes, target: Target) -> float:
    digest = hmac.digest(prefix, target.name.encode(), "sha256")
    share = ((int.from_bytes(digest[:8], "big") >> 12) + 0.5) / 2**52  # above 0 and below 1, also as a float
    return target.weight / -math.log(share)


def _targets(texts: Iterable[Any]) -> tuple[Target, ...]:
    if isinstance(texts, str | bytes | Mapping):
        raise _bad("Targets are a list of texts.")
    found = [Target.parse(str(text)) for text in texts]
    if len(found) > MOST_TARGETS or len({target.name for target in found}) != len(found):
        raise _bad(f"A list has up to {MOST_TARGETS} targets, each once.")
    return tuple(found)


def _share(value: Any) -> float:
    if not isinstance(value, int | float) or not 0.001 <= value <= 1:
        raise _bad("The shadow's share is a number from 0.001 to 1.")
    return float(value)


def _bad(message: str) -> BadRequest:
    return BadRequest(message, code="bad_route")
