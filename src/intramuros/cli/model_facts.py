"""What the command line tells of a model: a row of the list, and all that is known of one. Called by `models`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from intramuros.engines.options import needed_bytes
from intramuros.errors import ModelNotFound
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.embedding import standing
from intramuros.models.installed import DEFAULT, InstalledModel
from intramuros.models.machine import Machine
from intramuros.settings import Settings

if TYPE_CHECKING:
    from intramuros.app import App

TRUST = {
    "quotes": "quotes your documents word for word",
    "drafts": "writes drafts that a person should read",
    "answers": "writes answers",
}

WIDE = 120
SEALED_NOTE = (
    "its weights are decrypted into memory that stays taken while it runs; a plain file's pages may be dropped"
)
NOT_PINNED = "not pinned: its publisher may change the file; what comes is compared with the hub's hash, which is kept"


def model_table(rows: list[dict[str, Any]], *, width: int) -> Table:
    """The models in a table whose names are whole on any terminal; a narrow one leaves out languages and licence."""
    is_wide = width >= WIDE
    table = Table()
    for heading in ("name", "", "size", "memory"):
        table.add_column(heading, no_wrap=True)
    for heading in ("languages", "licence", "can be trusted with") if is_wide else ("trusted with",):
        table.add_column(heading)
    for row in rows:
        state = "[bold green]default[/]" if row["default"] else "[green]here[/]" if row["installed"] else ""
        memory = size(row["memory_bytes"]) if row["fits"] else f"[red]{size(row['memory_bytes'])}[/]"
        cells = [row["name"] + ("" if row["hash_pinned"] else " *"), state, size(row["size_bytes"]), memory]
        if is_wide:
            languages = " ".join(row["languages"][:6]) + (" …" if len(row["languages"]) > 6 else "")
            cells += [languages, escape(row["licence"]), TRUST[row["trust"]] if row["kind"] == "chat" else row["kind"]]
        else:
            cells.append(row["trust"] if row["kind"] == "chat" else row["kind"])
        table.add_row(*cells)
    return table


def installed_row(model: InstalledModel, intramuros: App, default: str | None, machine: Machine) -> dict[str, Any]:
    """A model of this machine."""
    memory = intramuros.pool.measures.needed_bytes(model, machine)
    return {
        "name": model.name,
        "title": model.title,
        "installed": True,
        "default": model.name == default,
        "kind": "reranker" if model.header.is_reranker else "embedder" if model.header.is_embedder else "chat",
        "trust": model.trust,
        "languages": list(model.languages),
        "licence": model.licence or "unknown",
        "size_bytes": model.size_bytes,
        "memory_bytes": memory,
        "beside_bytes": model.beside_bytes,
        "fits": memory <= machine.room_bytes,
        "sha256": model.sha256,
        "verified": model.verified,
        "hash_pinned": True,
        "pinned": model.name in intramuros.pool.pinned,
        "path": str(model.path),
        "sealed": model.is_sealed,
        "memory_note": SEALED_NOTE if model.is_sealed else None,
    }


def catalogue_row(model: CatalogueModel, machine: Machine, settings: Settings) -> dict[str, Any]:
    """A model that could be fetched."""
    memory = needed_bytes(model.header, machine, settings)
    return {
        "name": model.name,
        "title": model.title,
        "installed": False,
        "default": False,
        "kind": "reranker" if model.reranker else "embedder" if model.embedder else "chat",
        "trust": model.trust,
        "languages": list(model.languages),
        "licence": model.licence.id,
        "size_bytes": model.size_bytes,
        "memory_bytes": memory,
        "fits": memory <= machine.room_bytes,
        "sha256": model.sha256,
        "hash_pinned": model.is_pinned,
        "pinned": False,
    }


def facts_of(name: str, intramuros: App, machine: Machine) -> dict[str, Any]:
    """All that is known of one model. Raises: ModelNotFound when neither this machine nor the catalogue has it."""
    entry, facts = intramuros.catalogue.find(name), dict[str, Any]()
    try:
        model = intramuros.models.get(name)
    except ModelNotFound:
        if name == DEFAULT:
            raise
        entry = intramuros.catalogue.get(name)
    else:
        entry = entry or intramuros.catalogue.find(model.name)
        row = installed_row(model, intramuros, intramuros.models.default_name, machine)
        facts = row | {
            "installed_at": time.strftime("%Y-%m-%d %H:%M", time.localtime(model.installed_at)),
            "source": model.source,
            "format": model.format,
            "files": {file.name: file.sha256 for file in model.files},
            "architecture": model.header.architecture,
            "quantisation": model.header.quantisation,
            "parameters": model.header.parameters,
            "context_tokens": model.header.context_tokens,
            "layers": model.header.layers,
            "has_chat_template": model.header.has_chat_template,
            "sees": model.projector is not None,
            "adapters": [part.name for part in model.adapters],
            "search": standing(model, intramuros.catalogue).reason if row["kind"] == "embedder" else None,
        }
    return (_published(entry, machine, intramuros.settings) if entry is not None else {}) | facts


def _published(entry: CatalogueModel, machine: Machine, settings: Settings) -> dict[str, Any]:
    """What the catalogue says of a model, its licence above all."""
    may_be_sold = {True: "allowed", False: "not allowed", None: "unclear: ask its publisher"}
    return catalogue_row(entry, machine, settings) | {
        "publisher": entry.publisher,
        "parameters": entry.parameters,
        "quantisation": entry.quantisation,
        "architecture": entry.architecture.name,
        "context_tokens": entry.context_tokens,
        "source": str(entry.source),
        "good_for": entry.good_for,
        "commercial_use": may_be_sold[entry.licence.commercial],
        "licence_limits": list(entry.licence.limits),
        "licence_note": entry.licence.note,
        "licence_url": entry.licence.url,
        "fusion_weight": entry.embedding.fusion_weight if entry.embedding else None,
        "estimated_answer_s": round(entry.answer_estimate_s(machine)) if entry.is_chat else None,
    }


def verified_by(model: InstalledModel) -> str:
    """What its file was compared with."""
    return {
        "catalogue": "the file of the catalogue, hash compared",
        "hub": "hash compared with the hub's",
        "given": "hash compared with the one given",
    }.get(model.verified, "its hash had nothing to be compared with; it was recorded")


def size(size_bytes: int | None) -> str:
    """Bytes in words, as models have them."""
    if size_bytes is None:
        return "unknown"
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def shown(key: str, value: Any) -> str:
    """One fact in words."""
    if key == "trust":
        return TRUST[value]
    if key == "hash_pinned" and not value:
        return "no; " + NOT_PINNED.removeprefix("not pinned: ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "\n".join(f"{name}  {held}" for name, held in value.items())
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if key == "parameters":
        return f"{value / 1e9:.2f} billion"
    return size(value) if key.endswith("_bytes") else str(value)
