"""`intramuros serve`: the server, with everything it supervises."""

from __future__ import annotations

from typing import Annotated

import typer

from intramuros.cli.console import DataFolder, command, opened


@command
def serve(
    data: DataFolder = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [localhost].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [8777].")] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="HTTPS; beyond this machine it is always on.")
    ] = None,
) -> None:
    """Start Intramuros and print its address. Stop it with Ctrl-C."""
    from intramuros.observability import log
    from intramuros.server.listen import serve as listen

    with opened(data, host=host, port=port) as intramuros:
        log.start(intramuros.settings.log_level)
        listen(intramuros, tls=tls)
