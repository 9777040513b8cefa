"""How much one document may be: handed to every parser, checked while it works."""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.documents.failures import failure
from intramuros.settings import Settings


def unpacked_mib(settings: Settings) -> int:
    """How many MiB the parts of a package that are read may take unpacked: parsed, they take about eight times that."""
    return max(32, settings.reader_memory_mib // 8)


@dataclass(frozen=True, slots=True)
class Limits:
    """Pages, characters of text, and bytes once unpacked."""

    pages: int = 1000
    characters: int = 64 << 20
    unpacked_bytes: int = 256 << 20

    def check_pages(self, pages: int) -> None:
        """Raises: DocumentError `too_many_pages`."""
        if pages > self.pages:
            raise failure("too_many_pages", pages=pages, limit=self.pages)

    def check_characters(self, characters: int) -> None:
        """Raises: DocumentError `too_much_text`."""
        if characters > self.characters:
            raise failure("too_much_text", limit=self.characters >> 20)

    def check_unpacked(self, size_bytes: int) -> None:
        """Raises: DocumentError `too_large_unpacked`."""
        if size_bytes > self.unpacked_bytes:
            raise failure("too_large_unpacked", limit=self.unpacked_bytes >> 20)
