"""What answers the lines of batches, of every protocol. Called by the command line; each door mounts its own."""

from __future__ import annotations

from intramuros.api.anthropic.batch_lines import message_doors
from intramuros.api.openai import routes
from intramuros.app import App
from intramuros.tasks.batch_door import LineDoor


def line_doors(app: App) -> dict[str, LineDoor]:
    """By endpoint."""
    return routes.line_doors(app) | message_doors(app.complete)
