from __future__ import annotations

import secrets

import pytest

from intramuros.storage.schema import new_id


def test_no_id_looks_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are typed after commands: `intramuros erase receipt ID`."""
    drawn = iter(["-TpbHK3sdxN_dpmQ", "--pbHK3sdxN_dpmQ", "TpbHK3sdxN_dpmQ-"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: next(drawn))
    assert new_id() == "TpbHK3sdxN_dpmQ-"
