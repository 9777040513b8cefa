"""Passwords that a word announces, and what stands near such a word without being one."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import values


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("Mot de passe\tharbour17", "harbour17"),
        ("Startpasswort -> Birnbaum!42", "Birnbaum!42"),
        ("pw:\nwin00ter$", "win00ter$"),
        ("Mot de passe initial | Pioggia2515", "Pioggia2515"),
        ("Kennwort: gNHrxDiThJnn", "gNHrxDiThJnn"),
        ("j'ai mis Bir63nbaum$ comme mot de passe", "Bir63nbaum$"),
        ("I set &harbour88* as the password", "&harbour88*"),
        ("gib Schnecke_831 ein, wenn er nach dem Passwort fragt", "Schnecke_831"),
        ("das neue Passwort vom Server heißt printemps/164", "printemps/164"),
        ("accedi con admin / Cicala_1936", "Cicala_1936"),
        ("password cambiata in estate.5371", "estate.5371"),
        ("[09:12] A: tu as le mot de passe du drive ?\n[09:13] B: gNHrxDiThJnn\n[09:14] A: ok", "gNHrxDiThJnn"),
        ("User;pw;Site\nmalik;iyQZDcSQShxk;A", "iyQZDcSQShxk"),
        ('$db_pass = "Hirondelle@834";', "Hirondelle@834"),
        ("<password>Schnecke6321</password>", "Schnecke6321"),
        ("Clé wifi : tournesol85", "tournesol85"),
        ("oauth token: kW7vPzq2xLm9", "kW7vPzq2xLm9"),
        ("the OAuth_token=kW7vPzq2xLm9 is in the vault", "kW7vPzq2xLm9"),
    ],
)
def test_passwords_told(text: str, password: str) -> None:
    assert password in values(text, "SECRET")


@pytest.mark.parametrize(
    "text",
    [
        "The old password | `tests/web/test_account.py::test_a_b` |",
        'docker run -v "$PWD:/srv:ro" nginx:1.25.4-alpine',
        "argon2.exceptions.VerifyMismatchError: The password does not match",
        "le mot de passe sera envoyé par SMS le 12.03.2024 à 14h30",
        "Das Passwort muss 12 Zeichen haben, siehe ISO-27001 und WPA2",
        "password hashing with argon2id and pbkdf2 in sqlcipher3-binary",
        "password: str, token: accessToken",
        'Bearer realm="x"',
    ],
)
def test_what_is_no_password(text: str) -> None:
    assert not values(text, "SECRET")


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://Admin:uBTpTzTJ8sGa@git.example.org/app.git",
        "https://ynwwrcjj276510710274@git.example.org/x.git",
        "jdbc:postgresql://db:5432/rh?user=app&password=estate8740",
    ],
)
def test_addresses_with_a_key_in_them(url: str) -> None:
    assert values(f"siehe {url} dazu", "URL_CREDENTIALS") == [url]
