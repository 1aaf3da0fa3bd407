"""Reads the lines of a published file (plain, gzip or zip), and their positions."""

import gzip
import hashlib
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self, cast

from millrace_directory.bulk_import.errors import UnusableFileError

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BLOCK = 1 << 20
LONGEST_LINE = 1 << 20
MAIN_PREFIX = "npidata_pfile"
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
"""Errors that a damaged file causes; zipfile raises `RuntimeError` for a password or an unknown method."""


def digest_of(path: Path, progress: Callable[[int], None]) -> str:
    """Return the BLAKE2b digest of the file's bytes in hex; raise `UnusableFileError` if it can't be read.

    `progress` is called after each block with its number of bytes.
    """
    digest = hashlib.blake2b(digest_size=20)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                progress(len(block))
    except OSError as error:
        raise UnusableFileError(f"{path} can't be read: {error.strerror}.") from error
    return digest.hexdigest()


def is_zip(path: Path) -> bool:
    """Return whether the file begins like a zip; raise `UnusableFileError` if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) == _ZIP
    except OSError as error:
        raise UnusableFileError(f"{path} can't be read: {error.strerror}.") from error


def members_of(path: Path, prefix: str) -> list[str]:
    """Return the names of the members `<prefix>_….csv` of a zip, without those that have only a header."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _members(archive, prefix)
    except _DAMAGE as error:
        raise UnusableFileError(f"{path} can't be read: {error}.") from error


def _members(archive: zipfile.ZipFile, prefix: str) -> list[str]:
    pattern = re.compile(rf"(?:.*/)?{prefix}_(?!.*fileheader).*\.csv", re.IGNORECASE)
    return [name for name in archive.namelist() if pattern.fullmatch(name)]


class LongLine(bytes):
    """The first `LONGEST_LINE` bytes of a longer line; `size` is the number of bytes of the whole line."""

    size: int


class LineSource:
    """Reads the lines of a file. `offset` and `line` count the unpacked bytes and lines so far.

    In a zip as CMS publishes it, the member `<prefix>_….csv` is read, not the one with only the header. Raises
    `UnusableFileError`.
    """

    def __init__(self, path: Path, prefix: str = MAIN_PREFIX) -> None:
        self.offset = 0
        self.line = 0
        self.name = path.name
        """Name of the file, in a zip that of the member."""
        self._path = path
        self._prefix = prefix
        self._stack = ExitStack()
        self._raw: IO[bytes]
        self._stream: IO[bytes]
        self._seekable = False
        self._unread: list[bytes] = []

    def __enter__(self) -> Self:
        try:
            self._raw = self._stack.enter_context(self._path.open("rb"))
            self._stream = self._open()
        except _DAMAGE as error:
            self._stack.close()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnusableFileError(f"{self._path} can't be read: {reason}.") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> IO[bytes]:
        head = self._raw.read(4)
        self._raw.seek(0)
        if head.startswith(_GZIP):
            return cast(IO[bytes], self._stack.enter_context(gzip.GzipFile(fileobj=self._raw)))
        if head == _ZIP:
            archive = self._stack.enter_context(zipfile.ZipFile(self._raw))
            self.name = self._member(archive)
            return self._stack.enter_context(archive.open(self.name))
        self._seekable = True
        return self._raw

    def _member(self, archive: zipfile.ZipFile) -> str:
        found = _members(archive, self._prefix)
        if len(found) != 1:
            raise UnusableFileError(
                f"{self._path} contains {len(found)} files named {self._prefix}_….csv instead of one."
            )
        return found[0]

    @property
    def consumed(self) -> int:
        """The number of bytes read from the disk, for a progress bar."""
        return self._raw.tell()

    def read_line(self) -> bytes:
        """Return the next line with its end, a `LongLine` if it is too long, or an empty text after the last line."""
        line = self._unread.pop() if self._unread else self._read()
        if line:
            self.offset += _size(line)
            self.line += 1
        return line

    def unread(self, line: bytes) -> None:
        """Return the last line, so that `read_line` returns it again; several lines are returned last one first."""
        self.offset -= _size(line)
        self.line -= 1
        self._unread.append(line)

    def _read(self) -> bytes:
        try:
            line = self._stream.readline(LONGEST_LINE)
            if len(line) < LONGEST_LINE or line.endswith(b"\n"):
                return line
            return self._long_line(line)
        except _DAMAGE as error:
            raise UnusableFileError(f"{self._path} is damaged after line {self.line:,}: {error}.") from error

    def _long_line(self, beginning: bytes) -> LongLine:
        line = LongLine(beginning)
        line.size = len(beginning)
        while rest := self._stream.readline(LONGEST_LINE):
            line.size += len(rest)
            if rest.endswith(b"\n"):
                break
        return line

    def skip_to(self, offset: int, line: int) -> None:
        """Continue after a position, which `offset` and `line` had when this file was read before."""
        if self._seekable:
            self._stream.seek(offset)
        else:
            left = offset - self.offset - sum(map(_size, self._unread))
            while left > 0 and (block := self._stream.read(min(left, _BLOCK))):
                left -= len(block)
        self._unread.clear()
        self.offset, self.line = offset, line


def _size(line: bytes) -> int:
    return line.size if isinstance(line, LongLine) else len(line)
