"""The one table of settings: names, types, defaults and help, read once at start.

A setting comes from a command-line flag, from `INTRAMUROS_<NAME>`, or from its default; a secret also from
the file named by `INTRAMUROS_<NAME>_FILE`. Unknown `INTRAMUROS_` names and bad values stop the start. The
reference page `docs/reference/settings.md` is made from this table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from intramuros.errors import SettingsError

PREFIX = "INTRAMUROS_"
OF_CLIENTS = frozenset({"INTRAMUROS_API_KEY", "INTRAMUROS_URL"})
"""No settings: how `intramuros mcp` and other clients find a server. They may stand in the same environment."""


_CHOICES = {
    "log_level": ("debug", "info", "warning", "error"),
    "isolation_required": ("none", "partial", "full"),
    "mcp_hosts": ("masked", "refused", "inside"),
}


def _setting(
    default: Any, description: str, *, low: float | None = None, high: float | None = None, secret: bool = False
) -> Any:
    return field(default=default, metadata={"help": description, "low": low, "high": high, "secret": secret})


def default_data_folder() -> Path:
    """Where the data goes when nobody says: `$XDG_DATA_HOME/intramuros` or `~/.local/share/intramuros`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "intramuros"


def default_config_folder() -> Path:
    """Where keys are kept, apart from the data: `$XDG_CONFIG_HOME/intramuros` or `~/.config/intramuros`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "intramuros"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one run. Durations in seconds (`_s`), sizes in bytes (`_bytes`) or MiB (`_mib`)."""

    data: Path = _setting(None, "data folder")
    key_file: Path | None = _setting(None, "file that holds the key of the data, outside the data folder")
    passphrase: str | None = _setting(None, "passphrase that opens the data, instead of a key file", secret=True)
    host: str = _setting("localhost", "address to listen on; anything but loopback needs TLS")
    port: int = _setting(8777, "port to listen on", low=0, high=65535)
    public_names: str | None = _setting(
        None, "names or addresses by which other machines reach this server, separated by commas"
    )
    connections_per_address: int = _setting(256, "connections one address may have open at once", low=8, high=4096)
    tls_certificate: Path | None = _setting(
        None, "certificate for TLS, a PEM file with its chain; else one of a local authority is made"
    )
    tls_key: Path | None = _setting(None, "private key of the certificate, a PEM file")
    model: str | None = _setting(
        None, "model that answers when a request says 'default'; else the one chosen in the data"
    )
    embedder: str | None = _setting(
        None, "installed embedding model whose vectors join the search, if the catalogue finds it worth it; else none"
    )
    hub_url: str = _setting("https://huggingface.co", "model hub that `models pull` asks")
    context_tokens: int = _setting(
        0, "context length of one conversation, in tokens; 0: chosen from the model and memory", low=0, high=1 << 20
    )
    slots: int = _setting(0, "generations that run at once in one engine; 0: chosen from the machine", low=0, high=256)
    queue_per_person: int = _setting(
        64, "requests of one person that may wait for a slot of one model", low=1, high=10_000
    )
    queue_total: int = _setting(512, "requests that may wait for a slot of one model together", low=1, high=100_000)
    engine_idle_s: float = _setting(900, "seconds without a request after which an engine is unloaded; 0: never", low=0)
    models_memory_mib: int = _setting(
        0,
        "memory that loaded models may take together, in MiB; 0: three quarters of the machine's, or its GPUs'",
        low=0,
    )
    preload: str = _setting(
        "", "installed models loaded at the start and kept, with commas between, beside the default"
    )
    engine_load_timeout_s: float = _setting(300, "seconds a model may take to load", low=1)
    engine_silence_s: float = _setting(120, "seconds without a token after which an engine counts as hung", low=1)
    prompt_cache_mib: int = _setting(512, "host memory for cached prompts of one engine, in MiB", low=0)
    encrypt_models: bool = _setting(
        False, "store models that are fetched from now on encrypted; their weights then count as memory taken"
    )
    autotune: bool = _setting(True, "measure the fastest engine options at the first load of a model")
    reader_time_s: float = _setting(120, "seconds one document may take to be read", low=1)
    reader_memory_mib: int = _setting(1024, "memory one document may take to be read, in MiB", low=64)
    reader_pages: int = _setting(1000, "pages one document may have", low=1)
    reader_output_mib: int = _setting(64, "text one document may yield, in MiB", low=1)
    upload_mib: int = _setting(100, "size one uploaded document may have, in MiB", low=1)
    files_mib: int = _setting(2048, "what one person's files, sent by programs, may take together, in MiB", low=1)
    request_mib: int = _setting(8, "size one API request may have, in MiB", low=1)
    workers: int = _setting(2, "documents read at once", low=1, high=64)
    audit_copy: str | None = _setting(
        None,
        "second place for the audit's signed checkpoints: a folder on another disk or machine, syslog:, or https://…",
    )
    audit_copy_token: str | None = _setting(
        None, "token that checkpoints sent to a web address carry (Authorization: Bearer)", secret=True
    )
    audit_copy_required: bool = _setting(False, "refuse requests while the audit's second place can't be written")
    audit_months: int = _setting(12, "months audit records are kept when `audit purge` runs", low=1, high=1200)
    backup_folder: Path | None = _setting(None, "folder the server makes its backups in, on another disk or machine")
    backup_every_hours: float = _setting(0, "hours after which the server makes the next backup there; 0: never", low=0)
    backup_keep: int = _setting(14, "backups the server keeps there", low=1, high=10_000)
    isolation_required: str = _setting(
        "none", "level of isolation below which no model and no document is touched: none, partial or full"
    )
    egress_allowed: str | None = _setting(
        None, "hosts the gateway may connect to, separated by commas: host, *.domain, http://host:port, private:host"
    )
    outside_allowed: bool = _setting(
        False, "let requests go to upstreams outside, pseudonymised, when who asks has agreed; else nothing leaves"
    )
    mcp_hosts: str = _setting(
        "masked",
        "what MCP hosts, whose models may be outside, get of documents: masked, refused (nothing) or inside (as it is)",
    )
    mcp_inside_keys: str = _setting(
        "", "ids of API keys, with commas between, whose MCP hosts have their models inside: they get it as it is"
    )
    session_hours: float = _setting(12, "hours after which a person signs in again", low=0.1)
    session_idle_minutes: float = _setting(120, "minutes without a request after which a person signs in again", low=1)
    second_factor_required: str = _setting(
        "", "roles whose people must have a second factor, with commas between: administrator,auditor"
    )
    oidc_issuer: str | None = _setting(None, "OpenID Connect provider people sign in with: its issuer, https://…")
    oidc_client_id: str = _setting("intramuros", "name of this installation at the provider")
    oidc_client_secret: str | None = _setting(None, "secret of this installation at the provider", secret=True)
    oidc_name: str = _setting("SSO", "what people call the provider, on the sign-in page")
    oidc_groups_claim: str = _setting("groups", "claim of the provider's tokens that lists a person's groups")
    oidc_trust_email: bool = _setting(
        False, "take the provider's e-mail addresses as verified though it does not say so"
    )
    ldap_url: str | None = _setting(None, "directory whose passwords sign people in: ldaps://…")
    ldap_base: str = _setting("", "branch of the directory that people and groups are searched in: dc=firm,dc=example")
    ldap_user: str | None = _setting(None, "entry that searches the directory; else nobody's")
    ldap_password: str | None = _setting(None, "its password", secret=True)
    ldap_ca_file: Path | None = _setting(None, "certificates that vouch for the directory, else the system's")
    ldap_filter: str | None = _setting(
        None, "filter that finds a person by {login}; else by mail, userPrincipalName, uid and sAMAccountName"
    )
    sso_creates: bool = _setting(True, "make an account for people the provider or directory knows and we don't")
    sso_roles: str = _setting(
        "", "roles given by groups there, at each sign-in: administrator=IT; auditor=Compliance; else kept here"
    )
    log_level: str = _setting("info", "debug, info, warning or error")

    @property
    def run_folder(self) -> Path:
        """Sockets and locks of the running server: private to this user."""
        return self.data / "run"

    @property
    def second_factor_roles(self) -> frozenset[str]:
        """The roles in `second_factor_required`."""
        return frozenset(role.strip() for role in self.second_factor_required.split(",") if role.strip())

    @property
    def preloaded(self) -> tuple[str, ...]:
        """The models in `preload`."""
        return tuple(name for part in self.preload.split(",") if (name := part.strip()))

    @property
    def mcp_inside(self) -> frozenset[str]:
        """The keys in `mcp_inside_keys`."""
        return frozenset(key for part in self.mcp_inside_keys.split(",") if (key := part.strip()))

    @property
    def names(self) -> tuple[str, ...]:
        """The public names, in lower case."""
        return tuple(name for part in (self.public_names or "").split(",") if (name := part.strip().lower()))

    @property
    def models_folder(self) -> Path:
        """Model files and their manifests."""
        return self.data / "models"


def load(flags: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings: flags first, then the environment, then the defaults.

    Raises: SettingsError for an unknown `INTRAMUROS_` name or a value that does not fit.
    """
    environ = os.environ if environ is None else environ
    table = {f.name: f for f in fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_") and name not in OF_CLIENTS:
            _read_variable(name, text, table, values)
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = _converted(table[name], value, shown=f"--{name.replace('_', '-')}")
    values.setdefault("data", default_data_folder())
    values["data"] = values["data"].expanduser().absolute()
    return Settings(**values)


def _read_variable(name: str, text: str, table: Mapping[str, Field[Any]], values: dict[str, Any]) -> None:
    key = name.removeprefix(PREFIX).lower()
    if (
        key.endswith("_file")
        and key not in table
        and (secret := table.get(key.removesuffix("_file")))
        and secret.metadata["secret"]
    ):
        try:
            values[secret.name] = Path(text).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SettingsError(f"{name} names a file that can't be read: {error.strerror}.") from error
        return
    if key not in table:
        raise SettingsError(
            f"There is no setting {name}.", hint="See the list: intramuros serve --help, docs/reference/settings.md"
        )
    values[key] = _converted(table[key], text, shown=name)


def _converted(entry: Field[Any], value: Any, *, shown: str) -> Any:
    kind, meta = str(entry.type), entry.metadata
    said = "(not shown)" if meta["secret"] else repr(value)
    try:
        if kind.startswith("bool"):
            result: Any = (
                value
                if isinstance(value, bool)
                else {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
            )
        elif kind.startswith("int"):
            result = int(value)
        elif kind.startswith("float"):
            result = float(value)
        elif kind.startswith("Path"):
            result = Path(value)
        else:
            result = str(value)
    except (ValueError, KeyError) as error:
        raise SettingsError(f"{shown} is {said}: it must be {_expected(kind)}.") from error
    low, high = meta["low"], meta["high"]
    if (low is not None and result < low) or (high is not None and result > high):
        raise SettingsError(
            f"{shown} is {said}: it must be {f'at least {low}' if high is None else f'between {low} and {high}'}."
        )
    if (words := _CHOICES.get(entry.name)) and result not in words:
        raise SettingsError(f"{shown} is {said}: it must be {', '.join(words[:-1])} or {words[-1]}.")
    return result


def _expected(kind: str) -> str:
    for prefix, words in (("bool", "true or false"), ("int", "a whole number"), ("float", "a number")):
        if kind.startswith(prefix):
            return words
    return "text"
