"""The settings of isolation and of the allow-list, as an installation takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.app import build, create
from intramuros.errors import IsolationTooWeak, SettingsError
from intramuros.security.isolation import Confinement
from intramuros.server.listen import serve
from intramuros.settings import Settings, load


def _settings(folder: Path, **more: str) -> Settings:
    settings = load({"data": folder / "data", "key_file": folder / "key", "port": 0, **more}, environ={})
    create(settings)
    return settings


def test_by_default_nothing_is_allowed(tmp_path: Path) -> None:
    app = build(_settings(tmp_path))
    assert app.egress.allowed == []
    app.close()


def test_the_allow_list_is_what_the_administrator_set(tmp_path: Path) -> None:
    app = build(_settings(tmp_path, egress_allowed="hub.example, private:http://mirror.lan:8080 ,"))
    assert app.egress.allowed == ["https://hub.example", "private:http://mirror.lan:8080"]
    app.close()


@pytest.mark.parametrize("words", ["ftp://hub.example", "https://hub.example/path", "https://user@hub.example"])
def test_an_entry_that_names_no_host_stops_the_start(tmp_path: Path, words: str) -> None:
    settings = load({"data": tmp_path, "egress_allowed": words}, environ={})
    with pytest.raises(SettingsError, match="EGRESS_ALLOWED"):
        create(settings)


@pytest.mark.parametrize("word", ["strong", "", "FULL"])
def test_a_level_that_does_not_exist_stops_the_start(word: str) -> None:
    with pytest.raises(SettingsError, match="none, partial or full"):
        load({}, environ={"INTRAMUROS_ISOLATION_REQUIRED": word})


def test_a_server_does_not_start_below_the_level_that_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = Confinement(calls=True, rights=True)
    monkeypatch.setattr("intramuros.engines.child.confinement", lambda pid, said: weak)
    app = build(_settings(tmp_path, isolation_required="full"))
    said: list[str] = []
    with pytest.raises(IsolationTooWeak, match="without network, files"):
        serve(app, announce=said.append)
    assert said == []
    app.close()
