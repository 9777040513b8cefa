"""`intramuros retention` and `intramuros export` as a person runs them."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.conftest import Installation


def test_times_to_keep(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "bail.md").write_text("# Bail\n\nLe préavis est de six mois.\n")
    installation.run("add", str(tmp_path / "bail.md"), "--project", "Baux")
    set_to = installation.run("retention", "set", "Baux", "--documents", "30", "--json").json
    assert (set_to["conversations_days"], set_to["documents_days"]) == (None, 30)
    assert installation.run("retention", "show", "--json").json[0]["documents_days"] == 30
    assert installation.run("retention", "set", "Baux", "--unused", "90", "--json").json["unused_days"] == 90
    assert "90 day(s)" in installation.run("retention", "show").out
    assert installation.run("retention", "run", "--json").json == []
    assert installation.run("retention", "set", "Baux", "--documents", "soon", code=1)
    assert installation.run("retention", "set", "Baux", "--documents", "never", "--json").json["documents_days"] is None


def test_what_is_kept_about_nobody(installation: Installation, tmp_path: Path) -> None:
    assert "nobody" in installation.run("export", "user", "x@firm.example", "--to", str(tmp_path / "x.zip"), code=1).err
    assert not (tmp_path / "x.zip").exists()
