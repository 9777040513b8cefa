"""Style sheets, scripts and pictures: read once, sent with an address that changes with their content.

Called by the router and, for addresses, by the templates. Public: nothing here depends on who asks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from intramuros.errors import NotFound

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Statics:
    """The files of `static/`, and one version for all of them, so that scripts find each other by relative address."""

    files: dict[str, bytes] = field(repr=False)
    version: str

    @classmethod
    def load(cls) -> Statics:
        """Reads them from the package."""
        folder = resources.files("intramuros.web") / "static"
        files = {file.name: file.read_bytes() for file in sorted(folder.iterdir(), key=lambda file: file.name)}
        digest = hashlib.sha256(b"\0".join(name.encode() + b"\0" + content for name, content in files.items()))
        return cls(files, digest.hexdigest()[:12])

    def address(self, name: str) -> str:
        """Where a file is found. Raises: KeyError when there is no such file."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    async def send(self, request: Request) -> Response:
        """The file at this address; an old version's address gives the file of today, to be asked for again."""
        name = request.path_params["name"]
        content = self.files.get(name)
        if content is None:
            raise NotFound("There is nothing at this address.")
        is_current = request.path_params["version"] == self.version
        return Response(
            content,
            media_type=TYPES["." + name.rpartition(".")[2]],
            headers={"cache-control": FOREVER if is_current else "no-cache"},
        )
