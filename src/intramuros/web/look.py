"""How every page looks: the templates, the words and the static files, read once from the package.

Called by the pages and by the refusals. Knows no data of the installation.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from intramuros.web.statics import Statics
from intramuros.web.tiles import tiles_for
from intramuros.web.words import Words
from intramuros.web.words import load as load_words


@dataclass(frozen=True, slots=True)
class Look:
    """Templates, words of every language, static files."""

    environment: Environment
    words: Mapping[str, Words]
    statics: Statics

    def render(self, template: str, words: Words, /, **values: Any) -> str:
        """A template's HTML in one language."""
        return self.environment.get_template(template).render(t=words, **values)

    def part(self, macro: str, /, *values: Any) -> str:
        """One of the small parts that several pages use."""
        return str(getattr(self.environment.globals["parts"], macro)(*values))


@functools.cache
def look() -> Look:
    """The look of this package's pages; it can't change while the program runs."""
    statics = Statics.load()
    environment = Environment(
        loader=PackageLoader("intramuros.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["iso"] = _iso
    environment.globals["static"] = statics.address
    environment.globals["tiles_for"] = tiles_for
    environment.globals["parts"] = environment.get_template("parts.html").module
    return Look(environment, load_words(), statics)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
