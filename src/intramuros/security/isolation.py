"""How far a process that works on untrusted content is confined: four walls, and a level made of them.

Called by whoever starts such a process. What the kernel says of a running process counts, where it says something;
the rest is what the process found when it tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intramuros.errors import IsolationTooWeak

LEVELS = ("none", "partial", "full")
"""From weak to strong: `partial` has no way to a network but lacks a wall, `none` could reach one."""
WALLS = ("network", "files", "calls", "rights")
SEEN_ON = Path("/proc")
"""Where the kernel says what it did."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """The walls around one process.

    `network`: it has a network of its own, without interfaces (network namespace). `files`: it opens only what it was
    given (Landlock). `calls`: dangerous system calls are refused (seccomp). `rights`: it has no capabilities and can
    gain none.
    """

    network: bool = False
    files: bool = False
    calls: bool = False
    rights: bool = False

    @property
    def level(self) -> str:
        """One of `LEVELS`."""
        if not self.missing:
            return "full"
        return "partial" if self.rights and (self.network or self.calls) else "none"

    @property
    def missing(self) -> tuple[str, ...]:
        """The walls that don't stand."""
        return tuple(wall for wall in WALLS if not getattr(self, wall))

    def to_json(self) -> dict[str, bool]:
        """Each wall by its name."""
        return asdict(self)

    def require(self, level: str, *, what: str) -> None:
        """Raises: IsolationTooWeak when this is below the level."""
        if LEVELS.index(self.level) < LEVELS.index(level):
            raise IsolationTooWeak(
                f"The kernel does not confine {what} as far as INTRAMUROS_ISOLATION_REQUIRED={level} asks: it grants"
                f" {self.level}, without {', '.join(self.missing)}."
            )


def weakest(found: Iterable[Confinement]) -> str:
    """The level of the least confined process; `none` of none at all."""
    return min((confinement.level for confinement in found), key=LEVELS.index, default="none")


def confinement(pid: int, said: Any, *, proc: Path = SEEN_ON) -> Confinement:
    """The walls around a running process, given what it said itself.

    A wall that the process claims and the kernel denies does not stand. Landlock leaves no trace that the kernel shows
    of other processes: the process tried it when it said so.
    """
    said = said if isinstance(said, Mapping) else {}
    claimed = {wall: said.get(wall) is True for wall in WALLS}
    process = proc / str(pid)
    status = _status(process)
    return Confinement(
        network=claimed["network"] and _has_no_network(process),
        files=claimed["files"],
        calls=claimed["calls"] and status.get("Seccomp") == "2",
        rights=claimed["rights"] and status.get("NoNewPrivs") == "1" and not int(status.get("CapEff", "1"), 16),
    )


def _status(process: Path) -> dict[str, str]:
    try:
        lines = (process / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _has_no_network(process: Path) -> bool:
    """Whether the kernel shows the process no interface but loopback, and no address: loopback is down too.

    Read from where every user may read: the namespace itself is closed to others, as to any debugger.
    """
    try:
        interfaces = (process / "net" / "dev").read_text(encoding="ascii").splitlines()[2:]
        addresses = (process / "net" / "fib_trie").read_text(encoding="ascii")
    except OSError:
        return False
    with contextlib.suppress(OSError):  # a kernel without IPv6
        addresses += (process / "net" / "if_inet6").read_text(encoding="ascii").replace(" lo", " LOCAL")
    return {line.partition(":")[0].strip() for line in interfaces} <= {"lo"} and "LOCAL" not in addresses
