"""The root of the command line: where the commands hang."""

from __future__ import annotations

from typing import Annotated

import typer

from intramuros import __version__
from intramuros.cli import (
    adapters,
    audit,
    backup,
    batch,
    directory,
    drill,
    erase,
    groups,
    keys,
    loaded,
    models,
    projects,
    quotas,
    recovery,
    routes,
    tls,
    upstreams,
    users,
)
from intramuros.cli.add import add
from intramuros.cli.ask import ask
from intramuros.cli.console import out
from intramuros.cli.demo import demo
from intramuros.cli.export import app as export
from intramuros.cli.init import init
from intramuros.cli.mcp import mcp
from intramuros.cli.presets import app as presets
from intramuros.cli.redact import redact
from intramuros.cli.restore import restore
from intramuros.cli.retention import app as retention
from intramuros.cli.rotate import rotate
from intramuros.cli.search import search
from intramuros.cli.selftest import selftest
from intramuros.cli.serve import serve

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The private AI of an organisation, inside its own walls.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"intramuros {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The private AI of an organisation, inside its own walls."""


for function in (init, serve, add, search, ask, mcp, redact, selftest, demo, restore, rotate):
    app.command()(function)
app.add_typer(audit.app, name="audit")
app.add_typer(erase.app, name="erase")
app.add_typer(backup.app, name="backup")
app.add_typer(batch.app, name="batch")
app.add_typer(export, name="export")
app.add_typer(presets, name="presets")
app.add_typer(retention, name="retention")
app.add_typer(directory.app, name="directory")
app.add_typer(keys.app, name="keys")
for function in (loaded.ps, loaded.load, loaded.unload, loaded.pin, loaded.unpin, loaded.fit):
    models.app.command()(function)
app.add_typer(models.app, name="models")
app.add_typer(adapters.app, name="adapters")
app.add_typer(quotas.app, name="quotas")
app.add_typer(upstreams.app, name="upstreams")
app.add_typer(routes.app, name="routes")
app.add_typer(drill.app, name="drill")
app.add_typer(tls.app, name="tls")
app.add_typer(recovery.app, name="recovery")
app.add_typer(users.app, name="users")
app.add_typer(groups.app, name="groups")
app.add_typer(projects.app, name="projects")
