"""Settings: flags over environment over defaults; unknown names and bad values stop the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.errors import SettingsError
from intramuros.settings import load


def test_a_flag_wins_over_the_environment(tmp_path: Path) -> None:
    settings = load({"data": tmp_path, "port": 1234}, environ={"INTRAMUROS_PORT": "5678", "INTRAMUROS_HOST": "::1"})
    assert (settings.port, settings.host, settings.data) == (1234, "::1", tmp_path)


def test_an_unknown_name_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="INTRAMUROS_PROT"):
        load(environ={"INTRAMUROS_PROT": "1"})


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "70000"), ("AUTOTUNE", "maybe"), ("LOG_LEVEL", "loud")]
)
def test_a_bad_value_stops_the_start_and_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"INTRAMUROS_{name} is '{value}'"):
        load(environ={f"INTRAMUROS_{name}": value})


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("correct horse\n")
    assert load(environ={"INTRAMUROS_PASSPHRASE_FILE": str(file)}).passphrase == "correct horse"
    with pytest.raises(SettingsError, match="can't be read"):
        load(environ={"INTRAMUROS_PASSPHRASE_FILE": str(tmp_path / "none")})


def test_the_environment_of_other_programs_is_left_alone() -> None:
    load(environ={"PATH": "/bin", "INTRAMUROS_TEST_MODEL": "/somewhere"})
