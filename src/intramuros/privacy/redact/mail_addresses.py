"""Mail addresses, also of hosts that exist only inside. One tier of the redactor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import says

_LOCAL_PART = re.compile(r"(?<![\w.+-])[\w][\w.+%'&/=-]{0,63}\Z")
_HOST = re.compile(
    r"(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){0,8}[^\W\d_](?:[\w-]{0,61}[^\W_])(?![\w@])|\[?\d{1,3}(?:\.\d{1,3}){3}\]?"
)
_SPELLED_AT = re.compile(
    r"[A-Za-z0-9](?<![\w.].)[\w.+-]{1,40} ?[\[({] ?(?:at|arobase|ät|chiocciola) ?[\])}] ?[\w-]{1,40}"
    r"(?: ?(?:[\[({] ?(?:dot|point|punkt|punto) ?[\])}]|\.) ?[\w-]{2,20}){1,4}",
    re.IGNORECASE,
)
_AT_IN_WORDS = re.compile(r"[\[({](?:at|AT| at|arobase|ät|chio)")
_NO_HOST = frozenset({"sha256", "sha512"})  # an image and its digest
_NO_PERSON = frozenset({"git", "hg", "svn"})  # git@host:path is the address of a repository


class MailAddresses:
    """Mail addresses, also of hosts that exist only inside: `jean@intranet`, `a.b@corp.lan`."""

    name = "mail addresses"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Looks around every at sign, so that text without one costs nothing."""
        return [*self._written(text), *self._spelled(text)]

    def _written(self, text: str) -> Iterator[Finding]:
        place = text.find("@")
        while place >= 0:
            local = _LOCAL_PART.search(text[max(0, place - 65) : place])
            host = _HOST.match(text, place + 1, place + 260)
            if (
                local
                and host
                and (len(host.group() + local.group()) > 4)
                and not (local.group() in _NO_PERSON or host.group() in _NO_HOST)
            ):
                start = place - len(local.group())
                yield Finding("EMAIL_ADDRESS", start, host.end(), 1.0)
            place = text.find("@", place + 1)

    def _spelled(self, text: str) -> Iterator[Finding]:
        if says(text, ("(", "[", "{")) and _AT_IN_WORDS.search(text):
            for match in _SPELLED_AT.finditer(text):
                yield Finding("EMAIL_ADDRESS", *match.span(), 0.8)
