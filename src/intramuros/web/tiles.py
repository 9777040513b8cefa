"""The pages of the administration, and whose they are. Called by its page and by the frame of every page."""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.accounts.caller import Caller


@dataclass(frozen=True, slots=True)
class Tile:
    """One page: its address, its words (`admin.<name>`, `admin.<name>_text`), its icon, and whose it is."""

    path: str
    name: str
    icon: str
    roles: tuple[str, ...] = ("administrator",)


OVERSEERS = ("administrator", "auditor", "manager")

TILES = (
    Tile("/people", "people", "people", OVERSEERS),
    Tile("/groups", "groups", "people", OVERSEERS),
    Tile("/administration/audit", "audit", "eye", ("administrator", "auditor")),
    Tile("/break-glass", "glass", "alert", ("administrator", "auditor")),
    Tile("/receipts", "erasures", "trash", ("administrator", "auditor")),
    Tile("/administration/keys", "keys", "key"),
    Tile("/administration/quotas", "quotas", "key"),
    Tile("/administration/batches", "batches", "file", ("administrator", "manager")),
    Tile("/administration/directory", "directory", "people"),
    Tile("/administration/upstreams", "upstreams", "next"),
    Tile("/administration/backups", "backups", "download"),
    Tile("/administration/isolation", "isolation", "wall"),
    Tile("/administration/selftest", "selftest", "wall", ("administrator", "auditor")),
)


def tiles_for(caller: Caller | None) -> list[Tile]:
    """What this person may open; none for most."""
    return [tile for tile in TILES if caller is not None and caller.role in tile.roles]
