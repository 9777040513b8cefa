"""What a restore or a change of keys leaves beside the data when it is stopped, before that data is used again.

Called by `app` when it opens a folder, and by the deep change of keys. Copies of the database and of keys would still
give what is erased from then on; they are quickly made again. Stored files stay: they are sealed, and it goes on there.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from intramuros.security.keys import FILE_NAME as KEYS
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS
from intramuros.security.subject_keys import PREPARED
from intramuros.storage.swap import NEXT, is_ready

MARK = "deep.json"
"""In what a deep change of keys prepares."""


def withdraw(data: Path) -> None:
    """Removes the copies. A deep change that was about to be decided is one being prepared again, where whatever is
    erased is erased too.

    To be called by whoever keeps others from preparing one (`storage.use`), after `swap.finish`.
    """
    staged, prepared = data / NEXT, data / PREPARED
    if staged.exists() and not is_ready(data):
        if not (staged / MARK).exists():
            _remove_databases(staged)
            shutil.rmtree(staged / SUBJECTS, ignore_errors=True)
        elif prepared.exists() or not (staged / KEYS).exists():  # the keys take their place last: it was all done
            shutil.rmtree(staged, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):  # another process did
                staged.rename(prepared)
    _remove_databases(prepared)


def _remove_databases(folder: Path) -> None:
    for path in folder.glob("*.db*"):
        path.unlink(missing_ok=True)
