"""Whether the models that a route names are ones its upstreams list: asked once, when the route is set.

Called by the router. A model counts as listed where an administrator described its upstream with it, or where the
upstream says so itself. One outside the walls is asked only where texts may go outside at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from intramuros.engines.route import Route
from intramuros.engines.trial import missing_in, try_out
from intramuros.engines.upstream import Upstream
from intramuros.errors import BadRequest

MOST_NAMED = 20


async def check_listed(route: Route, upstreams: Mapping[str, Upstream], *, lets_outside: bool) -> None:
    """Raises: BadRequest for a model that its upstream doesn't list, with what it lists, or that can't be asked."""
    wanted: dict[str, list[str]] = {}
    for target in route.all_targets:
        upstream = upstreams.get(target.upstream)
        if upstream is not None and target.model not in upstream.models:
            wanted.setdefault(upstream.name, []).append(target.model)
    asked = (
        _check(upstreams[name], models, may_ask=lets_outside or not upstreams[name].is_outside)
        for name, models in wanted.items()
    )
    await asyncio.gather(*asked)


async def _check(upstream: Upstream, models: Collection[str], *, may_ask: bool) -> None:
    listed, why = set(upstream.models), "it stands outside, where nothing may go: INTRAMUROS_OUTSIDE_ALLOWED"
    if may_ask:
        trial = await try_out(upstream)
        listed |= set(trial.models)
        why = trial.detail
    lacking = missing_in(models, listed)
    if not lacking:
        return
    way = f"intramuros upstreams set {upstream.name} --models {','.join((*upstream.models, *lacking))}"
    if not listed:
        raise BadRequest(
            f"What {upstream.name} lists is not known: {why}",
            hint=f"Describe it with its models: {way}",
            code="models_unknown",
        )
    names = sorted(listed)
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    raise BadRequest(
        f"{upstream.name} does not list {', '.join(lacking)}. It lists: {shown}",
        hint=f"Name one of those, or say that it has this one too: {way}",
        code="model_not_listed",
        listed=names,
        lacking=lacking,
    )
