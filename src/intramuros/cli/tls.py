"""`intramuros tls`: the certificate the server shows, and the local authority behind it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import Conflict, SettingsError

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.security.certificates import Facts
    from intramuros.server.tls import OwnAuthority

app = typer.Typer(no_args_is_help=True, help="TLS: the server's certificate, and the authority other machines trust.")

FILE = "intramuros-authority"

TRUST = """\
Have each machine trust it once (it can vouch for this server's names and for private networks only):
  Windows        certutil -addstore Root {pem}     (as administrator; or by group policy)
  macOS          sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {pem}
  Debian/Ubuntu  sudo cp {pem} /usr/local/share/ca-certificates/{crt} && sudo update-ca-certificates
  Fedora/RHEL    sudo trust anchor {pem}
  Firefox        Settings › Privacy & Security › Certificates › View Certificates › Authorities › Import
  iOS/iPadOS     send the .der file to the device, install the profile, then Settings › General › About ›
                 Certificate Trust Settings
  Android        Settings › Security › Encryption & credentials › Install a certificate › CA certificate
  Python, curl   SSL_CERT_FILE={pem}      Node.js   NODE_EXTRA_CA_CERTS={pem}
Compare the fingerprint on each machine before you trust it."""


@app.command()
@command
def show(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show the certificate in use: its names, until when it is good, and the authority's fingerprint."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("tls.show", by=LOCAL, via="cli"):
        settings = intramuros.settings
        if settings.tls_certificate is not None:
            from intramuros.server.tls import certificates_for

            server: Facts | None = certificates_for(intramuros).current().facts
            authority: bytes | None = None
        else:
            own = _own(intramuros)
            authority, server = own.authority(), own.server()
    if as_json:
        print_json({"server": _object(server), "authority": _object(_facts(authority))})
        return
    table = Table("", "names", "good until", Column("SHA-256", overflow="fold"))
    for title, said in (("server", server), ("authority", _facts(authority))):
        if said is not None:
            table.add_row(title, "\n".join(sorted(said.names)) or said.subject, _day(said.not_after), said.fingerprint)
    out.print(table)


@app.command()
@command
def export(
    der: Annotated[bool, typer.Option("--der", help="In DER instead of PEM, as Windows and phones prefer.")] = False,
    to: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it here; else on standard output.")
    ] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Export the local authority's certificate, which is no secret, and say how other machines come to trust it."""
    from intramuros.security.certificates import pem

    with opened(data) as intramuros, intramuros.audit.entry_sync("tls.export", by=LOCAL, via="cli"):
        authority = _own(intramuros).authority()
    content = authority if der else pem(authority)
    if to is not None:
        try:
            to.write_bytes(content)
        except OSError as error:
            raise SettingsError(f"{to} can't be written: {error.strerror}.", hint="Name another with --out.") from None
    said = _facts(authority)
    assert said is not None
    if as_json:
        print_json({**(_object(said) or {}), "pem": pem(authority).decode()})
    elif to is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    if not as_json:
        name = str(to) if to is not None else f"{FILE}.pem"
        crt = Path(name).with_suffix(".crt").name
        print(f"SHA-256 {_grouped(said.fingerprint)}\n{TRUST.format(pem=name, crt=crt)}", file=sys.stderr)


@app.command()
@command
def renew(
    authority: Annotated[
        bool, typer.Option("--authority", help="Make a new authority too: every machine must then trust the new one.")
    ] = False,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make the server's certificate anew. A running server shows it within a minute, without a pause."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("tls.renew", by=LOCAL, via="cli"):
        if intramuros.settings.tls_certificate is not None:
            raise Conflict(
                "The certificate is a file that somebody else makes.",
                hint="Replace the files; a running server shows them within a minute.",
            )
        own = _own(intramuros)
        server = own.renew(authority=authority).facts
        said = _facts(own.authority())
    if as_json:
        print_json({"server": _object(server), "authority": _object(said)})
        return
    out.print(f"The server's certificate is good until {_day(server.not_after)}.")
    if authority:
        out.print("Have the other machines trust the new authority: intramuros tls export")


def _own(intramuros: App) -> OwnAuthority:
    from intramuros.server.tls import own_authority

    return own_authority(intramuros)


def _facts(certificate: bytes | None) -> Facts | None:
    from intramuros.security.certificates import facts

    return None if certificate is None else facts(certificate)


def _object(said: Facts | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "subject": said.subject,
        "names": sorted(said.names),
        "not_before": said.not_before,
        "not_after": said.not_after,
        "sha256": said.fingerprint,
    }


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))


def _grouped(fingerprint: str) -> str:
    return ":".join(fingerprint[place : place + 2].upper() for place in range(0, len(fingerprint), 2))
