"""Builds what signs people and programs in: passwords, second factors, sessions, keys, and the systems asked elsewhere.

Called by `app.assemble`.
"""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL

from intramuros.accounts.elsewhere import DirectorySignIn
from intramuros.accounts.external import ExternalPeople, Policy, roles_from
from intramuros.accounts.factors import Factors
from intramuros.accounts.groups import Groups
from intramuros.accounts.identity import Identity
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.oidc import Client, OpenIdProvider
from intramuros.accounts.prices import Prices
from intramuros.accounts.quotas import Quotas
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.steps import Steps
from intramuros.accounts.usage import Usage
from intramuros.accounts.users import Users, check_required
from intramuros.privacy.directory import FILTER, Directory
from intramuros.privacy.egress import Egress, Rule
from intramuros.privacy.json_client import JsonClient
from intramuros.security.crypto import derive
from intramuros.security.keys import DataKeys
from intramuros.security.passwords import Passwords
from intramuros.settings import Settings
from intramuros.storage.database import Database


@dataclass(frozen=True, slots=True)
class SignIn:
    """The parts that know who somebody is."""

    users: Users
    sessions: Sessions
    steps: Steps
    factors: Factors
    api_keys: ApiKeys
    usage: Usage
    quotas: Quotas
    prices: Prices
    identity: Identity
    groups: Groups
    people_elsewhere: ExternalPeople
    provider: OpenIdProvider | None


def sign_in(settings: Settings, egress: Egress, keys: DataKeys, database: Database) -> SignIn:
    """Builds them. Raises: SettingsError for roles, a provider or a directory that can't be."""
    required = settings.second_factor_roles
    check_required(required)
    passwords = Passwords()
    users = Users(database, passwords=passwords)
    groups = Groups(database)
    sessions = Sessions(
        database, hours=settings.session_hours, idle_minutes=settings.session_idle_minutes, required=required
    )
    steps = Steps(database)
    api_keys = ApiKeys(database)
    policy = Policy(creates=settings.sso_creates, roles=roles_from(settings.sso_roles))
    people_elsewhere = ExternalPeople(database, users, groups, policy)
    if settings.ldap_url is not None:
        users.elsewhere = DirectorySignIn(_directory(settings, egress), people_elsewhere)
    return SignIn(
        users=users,
        sessions=sessions,
        steps=steps,
        factors=Factors(
            database, key=derive(keys.data, "accounts"), steps=steps, passwords=passwords, required=required
        ),
        api_keys=api_keys,
        usage=Usage(database),
        quotas=Quotas(database),
        prices=Prices(database),
        identity=Identity(database, sessions=sessions, keys=api_keys),
        groups=groups,
        people_elsewhere=people_elsewhere,
        provider=_provider(settings, egress, keys),
    )


def _provider(settings: Settings, egress: Egress, keys: DataKeys) -> OpenIdProvider | None:
    """The OpenID Connect provider people sign in with, if one is set; its own host may be reached by that."""
    if settings.oidc_issuer is None:
        return None
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
        name=settings.oidc_name,
        groups_claim=settings.oidc_groups_claim,
        trusts_email=settings.oidc_trust_email,
    )
    url = URL(client.issuer)
    rule = Rule(url.raw_host or "", url.scheme, url.port or 443, private=True)
    reaching = egress.permitting([rule], reason="the sign-in service")
    return OpenIdProvider(client, JsonClient(reaching), key=derive(keys.data, "oidc"))


def _directory(settings: Settings, egress: Egress) -> Directory:
    """The directory whose passwords sign people in."""
    return Directory(
        settings.ldap_url or "",
        settings.ldap_base,
        egress,
        user=settings.ldap_user,
        password=settings.ldap_password,
        ca_file=str(settings.ldap_ca_file) if settings.ldap_ca_file else None,
        filter=settings.ldap_filter or FILTER,
    )
