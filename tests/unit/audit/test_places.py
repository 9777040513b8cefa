from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.audit.places import Folder, Syslog, place
from intramuros.errors import SettingsError


def test_a_folder_gets_a_file_named_after_the_installation(tmp_path: Path) -> None:
    found = place(str(tmp_path / "elsewhere"), data=tmp_path / "data", instance="abc")
    assert found == Folder(tmp_path / "elsewhere" / "intramuros-audit-abc.jsonl")


def test_syslog() -> None:
    assert place("syslog:", data=Path("/data"), instance="abc") == Syslog("/dev/log")
    assert place("syslog:/run/log", data=Path("/data"), instance="abc") == Syslog("/run/log")


def test_none() -> None:
    assert place(None, data=Path("/data"), instance="abc") is None
    with pytest.raises(SettingsError, match="no second place"):
        place(None, required=True, data=Path("/data"), instance="abc")


@pytest.mark.parametrize("inside", ["", "copy", "sub/../copy"])
def test_not_in_the_data_folder(tmp_path: Path, inside: str) -> None:
    with pytest.raises(SettingsError, match="data folder"):
        place(str(tmp_path / inside), data=tmp_path, instance="abc")


def test_not_in_the_data_folder_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(SettingsError, match="data folder"):
        place(str(tmp_path / "link"), data=tmp_path / "data", instance="abc")


def test_no_address_on_a_network() -> None:
    with pytest.raises(SettingsError, match="network"):
        place("https://example.com/hook", data=Path("/data"), instance="abc")


def test_a_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"audit\.jsonl"):
        Folder(tmp_path / "audit.jsonl").append("x")
    assert not (tmp_path / "other").exists()


def test_the_last_whole_line(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "audit.jsonl")
    assert folder.last() is None
    folder.append("one")
    folder.append("two" * 10_000)
    folder.append("three")
    with folder.path.open("a") as file:
        file.write("cut o")
    assert folder.last() == "three"
    folder.append("four")
    assert list(folder.lines())[2:] == ["three", "cut o", "four"]
