from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.storage.liveness import Holder
from tests.support.forked import Child, Say


def test_a_holder_lives_until_it_closes(tmp_path: Path) -> None:
    one, other = Holder(tmp_path), Holder(tmp_path)
    assert one.is_alive(one.name)
    assert one.is_alive(other.name)
    other.close()
    assert not one.is_alive(other.name)
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_is_dead(tmp_path: Path) -> None:
    def work(say: Say) -> None:
        holder = Holder(tmp_path)
        say(holder.name)
        while True:
            holder.is_alive("")

    child, here = Child(work), Holder(tmp_path)
    name = child.line()
    assert here.is_alive(name)
    child.kill()
    child.rest()
    assert not here.is_alive(name)
    here.sweep()
    assert [path.stem for path in tmp_path.iterdir()] == [here.name]
    here.close()


@pytest.mark.parametrize("name", ["", "nobody", "../../etc/passwd", "1-zz", "1-0123456789abcdef"])
def test_a_name_nobody_had_is_dead(tmp_path: Path, name: str) -> None:
    holder = Holder(tmp_path)
    assert not holder.is_alive(name)
    holder.close()


def test_the_folder_is_private(tmp_path: Path) -> None:
    holder = Holder(tmp_path / "run")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    holder.close()
