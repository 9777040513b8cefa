"""`kill -9` at each step of an erasure: the next start finishes it, nothing stands anywhere, and there is one receipt."""

from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.privacy.erase.receipt import receipts
from intramuros.storage.database import create, open_database
from intramuros.storage.erasable import Subject
from tests.support.erasing import House
from tests.support.forked import Child, Say

STEPS = (
    *("look before", "begin", "erase 0", "erase 1", "erase 2", "erase 3", "removed"),
    *("empty the log", "destroy the key", "renew engines", "search", "sign", "end"),
)


@pytest.mark.parametrize("last", STEPS)
def test_killed_before_a_step(path: Path, key: bytes, last: str) -> None:
    house = House(create(path, key), key)
    project, kept = house.project("Zebulonie"), house.project("Kept")
    house.document(project, "zebulonette")
    house.document(kept, "quatorzaine")
    house.talk(project, LOCAL, "mirabelle")
    house.close()

    def work(say: Say) -> None:
        def step(name: str) -> None:
            if name == last:
                say(name)
                while True:
                    pass

        House(open_database(path, key), key, step).erasure.run(Subject("project", project.id), by=LOCAL.user_id)

    child = Child(work)
    assert child.line() == last
    child.kill()
    child.rest()

    house = House(open_database(path, key), key)
    house.audit.start()
    house.erasure.resume()
    if last in {"look before", "begin"}:  # nothing was promised yet
        assert receipts(house.database) == []
        assert house.standing("zebulonette") > 0
    else:
        (receipt,) = receipts(house.database)
        assert receipt.state == "done"
        assert house.standing("zebulonette") == 0
        assert ("project", project.id) not in set(house.keys.subjects())
    assert {kind for kind, _ in house.keys.subjects()} <= {"project", "user"}
    assert house.standing("quatorzaine") > 0
    assert house.database.check() == []
    house.close()
