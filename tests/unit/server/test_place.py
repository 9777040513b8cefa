"""Where a server may listen, and what a second one is told."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import AlreadyRunning, SettingsError
from intramuros.server.lock import server_lock
from intramuros.server.place import bound, check_protected, place_for
from intramuros.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings(data=Path("/nowhere"), **values)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.53", "::1"])
def test_loopback_speaks_plain_http(host: str) -> None:
    place = place_for(settings(host=host, port=8777))
    assert place.is_loopback and place.url.startswith("http://") and place.url.endswith(":8777")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "ai.example.ch", "localhost.example.ch", ""])
@pytest.mark.parametrize("tls", [None, True])
def test_any_other_address_speaks_tls(host: str, tls: bool | None) -> None:
    place = place_for(settings(host=host, public_names="AI.example.ch, 192.168.1.5"), tls=tls)
    assert place.has_tls and not place.is_loopback
    assert place.url == "https://ai.example.ch:8777"


def test_beyond_this_machine_tls_can_t_be_left_out() -> None:
    with pytest.raises(SettingsError) as refused:
        place_for(settings(host="0.0.0.0"), tls=False)
    assert refused.value.hint


def test_loopback_may_speak_tls_too() -> None:
    assert place_for(settings(), tls=True).url == "https://localhost:8777"


@pytest.mark.parametrize("names", ["https://ai.example.ch", "ai.example.ch:8777", "a b", "ai_x.example", "*", "-a"])
def test_a_public_name_that_is_none_stops_the_start(names: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_NAMES"):
        place_for(settings(public_names=names))


def test_beyond_this_machine_an_administrator_needs_a_second_factor() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::"):
        with pytest.raises(SettingsError, match="second factor") as refused:
            check_protected(place_for(settings(host=host)), is_protected=False)
        assert "--host localhost" in refused.value.hint and refused.value.code == "unprotected"
        check_protected(place_for(settings(host=host)), is_protected=True)
    check_protected(place_for(settings()), is_protected=False)


def test_ipv6_addresses_are_written_as_browsers_want_them() -> None:
    assert place_for(settings(host="::1", port=1)).url == "http://[::1]:1"


def test_a_port_in_use_says_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AlreadyRunning) as refused, bound(place_for(settings(port=port))):
            pass
    assert str(port) in refused.value.message
    assert "--port" in refused.value.hint


def test_chunks_leave_at_once() -> None:
    with bound(place_for(settings(port=0))) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_this_machine_does_not_have_is_an_error() -> None:
    with (
        pytest.raises(SettingsError),
        bound(place_for(settings(host="127.0.0.1")).at(0).__class__("192.0.2.1", 0, False)),
    ):
        pass


def test_a_second_server_on_the_same_data_is_told_who_holds_it(tmp_path: Path) -> None:
    with server_lock(tmp_path / "run") as lock:
        lock.write("http://localhost:8777")
        with pytest.raises(AlreadyRunning) as refused, server_lock(tmp_path / "run"):
            pass
    assert "http://localhost:8777" in refused.value.message
    assert refused.value.hint


def test_the_lock_is_free_again_afterwards_and_the_folder_private(tmp_path: Path) -> None:
    for _ in range(2):
        with server_lock(tmp_path / "run") as lock:
            lock.write("http://localhost:1")
            assert json.loads((tmp_path / "run" / "server.lock").read_text())["url"] == "http://localhost:1"
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
