"""The form of an upstream: what stands in its fields, and the upstream that they describe.

Called by the page of upstreams, for a new one and for one that is changed. A key is read and never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from intramuros.engines.upstream import Upstream, Waits, names
from intramuros.errors import BadRequest
from intramuros.web import numbers
from intramuros.web.visit import Form
from intramuros.web.words import Words

WAITS = tuple(field.name for field in fields(Waits))
PROBES = {"": None, "yes": True, "no": False}
NEVER_SHOWN = ("key", "csrf", "no_key")


def values_of(upstream: Upstream, words: Words) -> dict[str, str]:
    """What the fields show of an upstream: never its key."""
    return {
        "name": upstream.name,
        "url": upstream.url,
        "where": "outside" if upstream.is_outside else "inside",
        "models": ", ".join(upstream.models),
        "probes": next(name for name, probes in PROBES.items() if probes is upstream.probes),
        "context_tokens": str(upstream.context_tokens or ""),
        "price_in": written(upstream.price_in, words),
        "price_out": written(upstream.price_out, words),
    } | {name: written(value, words) for name, value in asdict(upstream.waits).items()}


def typed(form: Form) -> dict[str, str]:
    """What somebody typed, to be shown again: never a key."""
    return {name: text for name, text in form.items() if name not in NEVER_SHOWN}


def read(form: Form, *, name: str, words: Words) -> Upstream:
    """The upstream as the form describes it. Raises: BadRequest that names the field in `param`."""
    waits = Waits()
    said = {name: number(form.get(name, ""), words, param="waits") for name in WAITS}
    return Upstream(
        name,
        form.get("url", "").strip(),
        is_outside=form.get("where") != "inside",
        models=names(form.get("models", "")),
        key=form.get("key", "").strip() or None,
        context_tokens=count(form.get("context_tokens", ""), param="waits"),
        price_in=number(form.get("price_in", ""), words, param="price"),
        price_out=number(form.get("price_out", ""), words, param="price"),
        waits=Waits(**{name: getattr(waits, name) if value is None else value for name, value in said.items()}),
        probes=PROBES.get(form.get("probes", "")),
    )


def number(text: str, words: Words, *, param: str, code: str = "bad_upstream") -> float | None:
    """A number as people of this language write it, if there is one. Raises: BadRequest for what is none."""
    try:
        return numbers.number(text, words)
    except ValueError as error:
        raise BadRequest(f"{text[:40]!r} is no number.", code=code, param=param) from error


def count(text: str, *, param: str) -> int:
    """A whole number, however people mark its thousands; 0 for none. Raises: BadRequest."""
    try:
        return numbers.count(text) or 0
    except ValueError as error:
        raise BadRequest(f"{text[:40]!r} is no whole number.", code="bad_upstream", param=param) from error


def written(value: float | None, words: Words) -> str:
    """A number as people write it."""
    if value is None:
        return ""
    text = f"{value:.10g}"
    return text.replace(".", ",") if words.language == "fr" else text


def differing(typed: Mapping[str, str], present: Mapping[str, str], words: Words) -> list[tuple[str, str]]:
    """The fields in which what somebody typed is not what is kept now, with what is kept, as the form says it."""
    said = {"where": lambda text: words(f"upstreams.{text}"), "probes": lambda text: words(_watch(text))}
    return [
        (name, said[name](text) if name in said else text)
        for name, text in present.items()
        if name != "name" and typed.get(name, "").split() != text.split()
    ]


def _watch(text: str) -> str:
    return f"upstreams.watch.{text or 'inside'}"
