"""The ZIP package of an Office document: opened without trusting what it says of itself.

Only the parts a parser asks for are unpacked, each within the limit; XML is parsed without entities and without
reaching for anything outside.
"""

from __future__ import annotations

import io
import zipfile
import zlib

from lxml import etree

from intramuros.documents.failures import failure
from intramuros.documents.parse.limits import Limits

_MAX_MEMBERS = 20_000
_NO_DOCUMENT = 16  # times the limit, pictures included: no document is that large
_BROKEN_ZIP = (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError)
_ENCRYPTED = 0x1  # general purpose bit 0 (APPNOTE.TXT, section 4.4.4)


class Package:
    """The members of one ZIP file."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        """Raises: DocumentError `damaged`, `cut_off`, `password_protected`, `too_large_unpacked`."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            self._members = {info.filename: info for info in self._zip.infolist()}
        except _BROKEN_ZIP as error:
            raise failure("damaged" if b"PK\x05\x06" in content[-70_000:] else "cut_off") from error
        if len(self._members) > _MAX_MEMBERS or self.declared_bytes > _NO_DOCUMENT * limits.unpacked_bytes:
            limits.check_unpacked(limits.unpacked_bytes + 1)
        if any(info.flag_bits & _ENCRYPTED for info in self._members.values()):
            raise failure("password_protected")
        self._limits = limits
        self._unpacked_bytes = 0

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def declared_bytes(self) -> int:
        """What all members say they take unpacked."""
        return sum(info.file_size for info in self._members.values())

    def xml(self, name: str) -> etree._Element | None:
        """The root of an XML member, None when there is no such member.

        Raises: DocumentError `too_large_unpacked`, `damaged` (not well formed, or it declares entities).
        """
        info = self._members.get(name)
        if info is None:
            return None
        self._unpacked_bytes += info.file_size
        self._limits.check_unpacked(self._unpacked_bytes)
        return _parsed(self._content(info))

    def _content(self, info: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(info) as member:  # gives at most the declared size
                return member.read()
        except (*_BROKEN_ZIP, RuntimeError, zlib.error) as error:
            raise failure("damaged") from error


def _parsed(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        if getattr(error, "code", None) == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise failure("damaged") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise failure("damaged")  # Office files have no document type; those that do hide entity bombs there
    return root
