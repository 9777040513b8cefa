"""How Python's garbage collector behaves in a process that serves: requests must not wait for it.

Called once by `server.listen`, when all parts are built. Without it a full collection walks through everything that was
loaded, some hundred thousand objects: measured, 40 to 240 ms in which nobody is answered.
"""

from __future__ import annotations

import gc

YOUNG = 10_000
"""New containers before the young are looked through; a request makes some hundred, most of which are gone with it."""


def keep_pauses_short() -> None:
    """What is there now stays, and is never walked through again; what comes is looked through less often."""
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
