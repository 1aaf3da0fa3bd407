"""Rejected rows, and the CSV file that lists them: line, NPI and reason."""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from millrace_directory.bulk_import.errors import UnusableFileError

HEADER = ("line", "npi", "reason")


class RejectedRowError(Exception):
    """Raised for an unusable row. The text is the reason, the same for all rows with the same fault."""


@dataclass(frozen=True, slots=True)
class Reject:
    """An unusable row. `line` is its line in the file (in JSON files the number of its record), counted from 1."""

    line: int
    npi: str
    reason: str


class RejectsFile:
    """Writes rejected rows to a CSV file; without a path it discards them.

    `committed_bytes` is the length of the file at the last commit of an interrupted import; the rest is cut off.
    """

    def __init__(self, path: Path | None, committed_bytes: int = 0) -> None:
        self._path = path
        self._committed_bytes = committed_bytes
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        continued = self._committed_bytes > 0 and self._path.exists()
        try:
            self._file = self._path.open("r+" if continued else "w", encoding="utf-8", newline="")
        except OSError as error:
            raise UnusableFileError(f"{self._path} can't be written: {error.strerror}.") from error
        if continued:
            self._file.truncate(self._committed_bytes)
            self._file.seek(0, os.SEEK_END)
        else:
            csv.writer(self._file).writerow(HEADER)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rejects: Iterable[Reject]) -> int:
        """Append rejects and return the length of the file in bytes; raise `UnusableFileError` if that fails."""
        if self._file is None:
            return 0
        try:
            csv.writer(self._file).writerows((each.line, each.npi, each.reason) for each in rejects)
            self._file.flush()
        except OSError as error:
            raise UnusableFileError(f"{self._path} can't be written: {error.strerror}.") from error
        return self._file.tell()
