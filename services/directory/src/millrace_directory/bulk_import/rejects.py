"""Rejected rows, and the CSV file that lists them: file, line, record, identifier, field, value and reason."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final, Self

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.stats import MAX_LISTED

HEADER: Final = ("file", "line", "record", "identifier", "field", "value", "reason")
_SHOWN_CHARACTERS: Final = 200
_FIRST_ESCAPED_BYTE, _LAST_ESCAPED_BYTE = 0xDC80, 0xDCFF  # Python's `surrogateescape`


class RejectedRowError(Exception):
    """Raised for an unusable row. The text is the reason, the same for all rows with the same fault.

    `field` is the column (in JSON files the path) with the fault, empty for a fault of the whole row; `value` is its
    value in the file.
    """

    def __init__(self, reason: str, field: str = "", value: object = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.value = printable(value)


@dataclass(frozen=True, slots=True)
class Reject:
    """An unusable row, which begins in this line of the file (counted from 1).

    `record` is the number of its element in a JSON file, 0 for other files; `identifier` is its NPI or plan id.
    """

    file: str
    line: int
    identifier: str
    reason: str
    field: str = ""
    value: str = ""
    record: int = 0

    @classmethod
    def of(cls, error: RejectedRowError, file: str, line: int, identifier: object, record: int = 0) -> Self:
        return cls(file, line, printable(identifier), error.reason, error.field, error.value, record)


def printable(value: object) -> str:
    r"""Return the beginning of a value on one line: bytes that aren't UTF-8, NUL and the like as escapes, e.g. `\xdc`.

    The bytes must have been decoded with `surrogateescape`.
    """
    text = value if isinstance(value, str) else _json(value)
    cut = text[:_SHOWN_CHARACTERS]
    shown = cut if cut.isprintable() else "".join(map(_escape, cut))
    return shown if len(cut) == len(text) else f"{shown}…"


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return type(value).__name__


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if _FIRST_ESCAPED_BYTE <= ord(character) <= _LAST_ESCAPED_BYTE:
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode()


def rejects_path(given: Path | None, file: Path) -> Path:
    """Return the absolute path of the list of a file's rejects: the given one, else one in the working directory.

    If the working directory can't be written, it is in the directory for temporary files.
    """
    if given is not None:
        return given.absolute()
    directory = Path.cwd()
    if not os.access(directory, os.W_OK):
        directory = Path(tempfile.gettempdir())
    return directory / f"{file.name}.rejects.csv"


class RejectsFile:
    """Writes up to `MAX_LISTED` rejected rows to a CSV file, which replaces an earlier one.

    There is no file if there are no rejects.
    """

    def __init__(self, path: Path, *, listed: int = 0, committed: tuple[Path, int] | None = None) -> None:
        """Describe the file.

        To continue an interrupted import, `committed` is its rejects file with the length in bytes at the last commit
        (the rest is cut off), and `listed` the number of its rejects.
        """
        self._path = path
        self._listed = listed
        self._committed = committed
        self._file: IO[str]

    def __enter__(self) -> Self:
        try:
            continued = self._copy_committed()
            self._file = self._path.open("a" if continued else "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._unwritable(error) from error
        if not continued:
            self._listed = 0
            csv.writer(self._file).writerow(HEADER)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        # Not a device such as /dev/null.
        if not self._listed and self._path.is_file():
            self._path.unlink()

    def write(self, rejects: Iterable[Reject]) -> int:
        """Append rejects and return the length of the file in bytes; raise `UnusableFileError` if that fails."""
        rows = [
            (each.file, each.line, each.record or "", each.identifier, each.field, each.value, each.reason)
            for each in islice(rejects, max(0, MAX_LISTED - self._listed))
        ]
        self._listed += len(rows)
        try:
            csv.writer(self._file).writerows(rows)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        return self._file.tell()

    def _copy_committed(self) -> bool:
        """Make the file begin with the committed rejects of an interrupted import; return False without them."""
        if self._committed is None:
            return False
        earlier, length = self._committed
        if not earlier.is_file() or not length:
            return False
        if earlier != self._path:
            shutil.copyfile(earlier, self._path)
        os.truncate(self._path, length)
        return True

    def _unwritable(self, error: OSError) -> UnusableFileError:
        return UnusableFileError(f"{self._path} can't be written: {error.strerror}. Name another file by --rejects.")


def check_rejects_path(rejects: Path, inputs: Iterable[Path]) -> None:
    """Raise `UnusableFileError` if the rejects file would replace a file that is imported."""
    if any(rejects.resolve() == each.resolve() for each in inputs):
        raise UnusableFileError(f"{rejects} is a file to import. Name another file by --rejects.")
