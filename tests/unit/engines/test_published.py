"""Notices of running engines: found by the same user's processes, and only while they are true."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from intramuros.engines.published import LONGEST_SOCKET_PATH, Notice, Notices, began, remove_socket


@pytest.fixture
def notices(tmp_path: Path) -> Notices:
    return Notices(tmp_path / "engines")


@pytest.fixture
def notice(notices: Notices) -> Notice:
    socket = notices.folder / "s.sock"
    socket.touch()
    return Notice(str(socket), os.getpid(), began(os.getpid()), "abc", 4096, 4)


def test_a_notice_is_found_for_the_same_model_only(notices: Notices, notice: Notice) -> None:
    notices.publish("m", notice)
    assert notices.find("m", sha256="abc") == notice
    assert notices.find("m", sha256="other") is None and notices.find("n", sha256="abc") is None


def test_a_notice_of_a_process_that_is_gone_is_removed_with_its_socket(notices: Notices, notice: Notice) -> None:
    notices.publish("m", replace(notice, began=notice.began + 1))  # the number belongs to another process now
    assert notices.find("m", sha256="abc") is None
    assert not Path(notice.socket).exists() and not list(notices.folder.glob("*.json"))


def test_a_socket_that_others_could_have_made_is_not_trusted(notices: Notices, notice: Notice) -> None:
    notices.publish("m", notice)
    notices.folder.chmod(0o755)
    assert notices.find("m", sha256="abc") is None


def test_a_notice_that_is_no_notice_is_none(notices: Notices) -> None:
    for text in ("", "[]", '{"socket": 1}'):
        (notices.folder / "m.json").write_text(text)
        assert notices.find("m", sha256="abc") is None


def test_only_the_own_notice_is_taken_down(notices: Notices, notice: Notice) -> None:
    notices.publish("m", notice)
    notices.withdraw("m", pid=1)
    assert notices.find("m", sha256="abc") == notice
    notices.withdraw("m", pid=notice.pid)
    assert notices.find("m", sha256="abc") is None


def test_the_folder_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    assert stat.S_IMODE(Notices(tmp_path / "open").folder.stat().st_mode) == 0o700


def test_sockets_stay_in_the_folder_where_their_path_is_short(notices: Notices) -> None:
    if len(os.fsencode(notices.folder)) < 80:
        assert notices.new_socket().parent == notices.folder


def test_a_long_path_gets_a_short_private_folder_that_goes_with_the_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    socket = Notices(deep).new_socket()
    assert len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    socket.touch()
    remove_socket(socket)
    assert not socket.parent.exists() and deep.exists()
