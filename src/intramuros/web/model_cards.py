"""A model as the pages show it: one of the catalogue, or one that is installed.

Called by the pages about models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from intramuros.engines.options import needed_bytes
from intramuros.models.catalogue import CatalogueModel, HubSource
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.web.visit import Visit
from intramuros.web.words import Words

NAMED_LANGUAGES = 6


@dataclass(frozen=True, slots=True)
class Card:
    """A model as the page shows it; what is not known is empty."""

    name: str
    title: str
    trust: str
    parameters: str
    size_bytes: int
    memory_bytes: int
    languages: str
    licence: str
    licence_note: str
    context_tokens: int
    host: str = ""
    is_installed: bool = False
    is_current: bool = False
    fits: bool = True
    is_pinned: bool = True
    beside: tuple[str, ...] = ()


def host_of(visit: Visit, model: CatalogueModel) -> str:
    """Where a model of the catalogue is fetched from."""
    if isinstance(model.source, HubSource):
        return urlsplit(visit.app.settings.hub_url).hostname or ""
    return visit.words("models.package_registry")


def of_catalogue(visit: Visit, model: CatalogueModel, machine: Machine, *, is_installed: bool = False) -> Card:
    """One that can be fetched."""
    memory = needed_bytes(model.header, machine, visit.app.settings)
    return Card(
        name=model.name,
        title=model.title,
        trust=model.trust,
        parameters=_parameters(model.parameters, visit.words),
        size_bytes=model.weights_bytes,
        memory_bytes=memory,
        languages=_languages(model.languages, visit.words),
        licence=model.licence.id,
        licence_note=_limits(model, visit.words),
        context_tokens=model.context_tokens,
        host=host_of(visit, model),
        is_installed=is_installed,
        fits=memory <= machine.room_bytes,
        is_pinned=model.is_pinned,
    )


def of_installed(
    visit: Visit, model: InstalledModel, machine: Machine, *, current: InstalledModel | None = None
) -> Card:
    """One of this machine."""
    known = visit.app.catalogue.by_sha256(*model.hashes)
    return Card(
        name=model.name,
        title=model.title,
        trust=model.trust,
        parameters=_parameters(model.header.parameters, visit.words),
        size_bytes=model.size_bytes,
        memory_bytes=visit.app.pool.measures.needed_bytes(model, machine),
        languages=_languages(model.languages, visit.words),
        licence=model.licence or "",
        licence_note=_limits(known, visit.words) if known else "",
        context_tokens=model.header.context_tokens,
        is_installed=True,
        is_current=current is not None and current.name == model.name,
        beside=tuple(part.name for part in model.parts),
    )


def _parameters(number: int, words: Words) -> str:
    if number >= 1e9:
        return words("models.billions", number=words.number(number / 1e9, decimals=1))
    if number >= 1e6:
        return words("models.millions", number=words.number(number / 1e6))
    return words.number(number) if number else ""


def _languages(codes: Iterable[str], words: Words) -> str:
    """The languages by name, those of the interface first; many are counted."""
    ordered = sorted(codes, key=lambda code: code not in {"fr", "de", "it", "en"})
    named = [words.or_else(f"language.{code}", code) for code in ordered]
    if len(named) <= NAMED_LANGUAGES:
        return ", ".join(named)
    rest = len(named) - NAMED_LANGUAGES
    return words("models.more_languages", names=", ".join(named[:NAMED_LANGUAGES]), rest=rest)


def _limits(model: CatalogueModel, words: Words) -> str:
    """What to know before using a model in a firm."""
    licence = model.licence
    if licence.commercial is None:
        return words("limit.unclear")
    notes = [] if licence.commercial else [words("limit.not_commercial")]
    return " ".join(notes + [words.or_else(f"limit.{limit}", limit) for limit in licence.limits])
