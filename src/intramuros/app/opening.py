"""Makes a data folder, or opens one that is there, and builds all parts on it. Called by commands and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from intramuros.accounts.caller import LOCAL
from intramuros.app.assemble import assemble
from intramuros.app.parts import App
from intramuros.errors import Conflict, NotInitialised
from intramuros.security.keys import FILE_NAME as KEYS_NAME
from intramuros.security.keys import DataKeys, open_keys
from intramuros.security.keys import create as create_keys
from intramuros.settings import Settings
from intramuros.storage import swap
from intramuros.storage.database import FILE_NAME as DATABASE_NAME
from intramuros.storage.database import create as create_database
from intramuros.storage.unfinished import withdraw
from intramuros.storage.use import Use, alone


@dataclass(frozen=True, slots=True)
class Created:
    """What `create` made: where the key is, in words."""

    key_place: str


def create(
    settings: Settings, *, use_keyring: bool = False, admin_email: str | None = None, admin_password: str | None = None
) -> Created:
    """Makes a new data folder with its key and, if given, its first administrator.

    Raises: Conflict when the folder holds data already, BadRequest for a weak password.
    """
    if (settings.data / KEYS_NAME).exists():
        raise Conflict(f"There is Intramuros data in {settings.data} already.", hint="Start it with: intramuros serve")
    keys = create_keys(
        settings.data, key_file=settings.key_file, passphrase=settings.passphrase, use_keyring=use_keyring
    )
    create_database(settings.data / DATABASE_NAME, keys.database).close()
    app = assemble(settings, keys)
    try:
        with app.audit.entry_sync("init", by=LOCAL, via="cli"):
            if admin_email is not None and admin_password is not None:
                name = admin_email.split("@")[0]
                app.users.create(admin_email, name, role="administrator", password=admin_password)
    finally:
        app.close()
    return Created(key_place=keys.place)


def build(settings: Settings) -> App:
    """Opens an existing data folder and builds all parts on it.

    Raises: NotInitialised, WrongKey, StorageCorrupt.
    """

    def opened() -> DataKeys:
        return open_keys(settings.data, key_file=settings.key_file, passphrase=settings.passphrase)

    return build_with(settings, opened)


def build_with(settings: Settings, keys: Callable[[], DataKeys]) -> App:
    """The same with keys opened in another way, once nothing moves in the folder any more."""
    if not settings.data.is_dir():
        raise NotInitialised(f"There is no Intramuros data in {settings.data}.")
    if swap.is_ready(settings.data):
        with alone(settings.data):
            swap.finish(settings.data)
    use = Use(settings.data)
    try:
        withdraw(settings.data)
        app = assemble(settings, keys())
    except BaseException:
        use.close()
        raise
    app.use = use
    return app
