"""What an answer costs, whoever wrote it: a model of this machine, or an upstream that sends a bill.

Called by whoever counts an answer that has ended: the guard, background responses, batches. It costs microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.accounts.prices import Price, Prices
from intramuros.engines.routing import Routing
from intramuros.engines.upstream import LOCAL


@dataclass(frozen=True, slots=True)
class PriceOfAnswer:
    """The price of the target that answered along a route; else the model's own.

    Units: an upstream's price counts as euros, whatever the currency of its bill.
    """

    prices: Prices
    routing: Routing

    def __call__(self, facts: Mapping[str, Any]) -> Price:
        """From the audit's `model`, and its `upstream`: the last target that was asked."""
        model: str = facts["model"]
        name, _, of_target = facts.get("upstream", "").partition("/")
        if name == LOCAL:
            return self.prices.of(of_target)
        upstream = self.routing.table.upstreams.get(name)
        if upstream is None or (upstream.price_in is None and upstream.price_out is None):
            return self.prices.of(model)
        return Price(upstream.price_in or 0.0, upstream.price_out or 0.0)
