"""Moments as people write them on a command line: `2026-11-03`, `2026-11-03T14:30`, or `7d` and `24h` ago."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from intramuros.errors import SettingsError

_AGO = re.compile(r"(\d{1,5})([hd])")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def moment(text: str | None, *, is_end: bool = False) -> float | None:
    """Seconds since 1970. Without a zone it is this machine's time; a day as an end means the end of that day.

    Raises: SettingsError.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            length = timedelta(hours=int(ago[1])) if ago[2] == "h" else timedelta(days=int(ago[1]))
            return (datetime.now().astimezone() - length).timestamp()
        found = datetime.fromisoformat(text).astimezone()
        if is_end and _DAY.fullmatch(text):
            found = (datetime.fromisoformat(text) + timedelta(days=1)).astimezone() - timedelta(microseconds=1)
        return found.timestamp()
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"{text!r} is not a moment.", hint="Write it like 2026-11-03, 2026-11-03T14:30, 24h or 7d."
        ) from error
