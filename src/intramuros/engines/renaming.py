"""What follows when an upstream or a route is renamed: routes, consents, presets, keys, the numbers of comparisons.

Called by `engines.routing` inside the transaction of the change: all of it holds, or nothing. What is sealed under a
person's key (lines of batches that wait) can't be looked into and keeps the name it has, as the audit does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import Connection, func, select, update

from intramuros.engines.route import Route
from intramuros.errors import Conflict
from intramuros.storage.schema import api_keys, comparisons, outside_consents, presets, routes


@dataclass(frozen=True, slots=True)
class Renamed:
    """`was` is `name` now; `routes` and how many of the others named it and follow."""

    was: str
    name: str
    routes: list[str] = field(default_factory=list)
    consents: int = 0
    presets: int = 0
    keys: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it is shown."""
        return {part: getattr(self, part) for part in self.__dataclass_fields__}


def check_free(connection: Connection, names: Collection[str], *, known: Collection[Route]) -> None:
    """Refuses names that answer already as a route or as somebody's preset. Raises: Conflict."""
    for route in known:
        if route.name in names:
            taken(route.name, by="route")
    for name in connection.scalars(select(presets.c.name).where(presets.c.name.in_(names)).limit(1)):
        taken(name, by="preset")


def taken(name: str, *, by: str) -> NoReturn:
    """Raises: Conflict that says what has this name: an upstream, a route, a preset or a model."""
    raise Conflict(
        f"The name {name} is taken by {'an' if by == 'upstream' else 'a'} {by}.",
        hint="Choose another name.",
        code="name_in_use",
        name=name,
        taken_by=by,
    )


def move_targets(connection: Connection, was: str, name: str, *, known: Iterable[Route]) -> list[str]:
    """Has the routes that send to an upstream say its new name, and their numbers too; returns those routes."""
    moved = [route for route in known if route.names(was)]
    for route in moved:
        plan = route.renamed_upstream(was, name).to_json()
        connection.execute(update(routes).where(routes.c.name == route.name).values(plan=plan))
    start = f"{was}/"
    connection.execute(
        update(comparisons)
        .where(func.substr(comparisons.c.target, 1, len(start)) == start)
        .values(target=f"{name}/" + func.substr(comparisons.c.target, len(start) + 1))
    )
    return [route.name for route in moved]


def move_consents(connection: Connection, was: str, name: str) -> int:
    """Who agreed to a server agreed to where it stands: that stays. Both names must be there; returns how many."""
    return connection.execute(
        update(outside_consents).where(outside_consents.c.upstream == was).values(upstream=name)
    ).rowcount


def move_names(connection: Connection, names: Mapping[str, str]) -> tuple[int, int]:
    """Has presets and keys that name a model by an old name say the new one; returns how many presets and keys."""
    of_presets = sum(
        connection.execute(update(presets).where(presets.c.model == was).values(model=name)).rowcount
        for was, name in names.items()
    )
    of_keys = 0
    limited = select(api_keys.c.id, api_keys.c.models).where(api_keys.c.models.is_not(None))
    for row in connection.execute(limited).all():
        models = sorted({names.get(model, model) for model in row.models})
        if models != sorted(row.models):
            connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(models=models))
            of_keys += 1
    for was, name in names.items():
        connection.execute(update(comparisons).where(comparisons.c.route == was).values(route=name))
    return of_presets, of_keys
