"""The file of rejected rows: CSV with line, NPI and reason."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from millrace_directory.importing.chunks import Reject
from millrace_directory.importing.errors import UnusableFileError

HEADER = ("line", "npi", "reason")


class RejectsFile:
    """Takes rejects. `bytes` is how long the file is: an import that is continued cuts off what came behind.

    Without a path it takes them and keeps nothing.
    """

    def __init__(self, path: Path | None, keep: int = 0) -> None:
        self._path = path
        self._keep = keep
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        continued = self._keep > 0 and self._path.exists()
        try:
            self._file = self._path.open("r+" if continued else "w", encoding="utf-8", newline="")
        except OSError as error:
            raise UnusableFileError(f"{self._path} can't be written: {error.strerror}.") from error
        if continued:
            self._file.truncate(self._keep)
            self._file.seek(0, os.SEEK_END)
        else:
            csv.writer(self._file).writerow(HEADER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rejects: Iterable[Reject]) -> int:
        """Write these behind the others; the length of the file in bytes."""
        if self._file is None:
            return 0
        try:
            csv.writer(self._file).writerows((each.line, each.npi, each.reason) for each in rejects)
            self._file.flush()
        except OSError as error:
            raise UnusableFileError(f"{self._path} can't be written: {error.strerror}.") from error
        return self._file.tell()
