"""All parts of the product, built from the settings. `assemble` is the one file that knows them all.

Called by the command line and the server. Nothing else constructs a part, so how they hang together is read there.
"""

from __future__ import annotations

from intramuros.app.opening import Created, build, build_with, create
from intramuros.app.parts import App

__all__ = ["App", "Created", "build", "build_with", "create"]
