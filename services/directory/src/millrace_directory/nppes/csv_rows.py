"""Splits the lines of a CSV file into rows, so that a fault in one row can't affect the rows after it."""

import csv
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.nppes.source import LineSource, LongLine

QUOTE: Final = "quote that nothing closes"
AFTER_QUOTE: Final = "text after a closing quote"
LINE_BREAK: Final = "line break outside quotes"
WRONG_WIDTH: Final = "wrong number of fields"
LONG_LINE: Final = "line too long"
LONG_FIELD: Final = "field too long"

_MAX_CONTINUATIONS = 100
"""Maximum number of line breaks in the fields of a row."""
_BEGINS_RECORD = re.compile(rb'\s*"?[0-9]{10}"?,')


class CsvRows:
    """Iterates over the rows of a CSV file below its header; the identifier of a row is its field `identified_by`.

    Raises `RejectedRowError` for a row that can't be split into the fields of the header; `next` continues after its
    first line. A row has several lines if its quoted fields contain line breaks. A line that begins with an NPI begins
    a row, even if a quote is still open.
    """

    def __init__(self, source: LineSource, header: Sequence[str], identified_by: str) -> None:
        self._header = header
        self._width = len(header)
        self._at = header.index(identified_by)
        self._lines = _RowLines(source, breaks_allowed=self._at == 0)
        self._reader = csv.reader(self._lines, strict=True)

    def __iter__(self) -> "CsvRows":
        return self

    def __next__(self) -> list[str]:
        row: list[str] = []
        while not row:  # an empty line isn't a row
            self._lines.begin()
            try:
                row = next(self._reader)
            except csv.Error as error:
                raise self._reject(str(error)) from None
        if len(row) != self._width:
            raise self._reject(WRONG_WIDTH, f"{len(row)} instead of {self._width}")
        return row

    @property
    def line(self) -> int:
        """The line in which the last row begins, counted from 1."""
        return self._lines.first_line

    @property
    def identifier(self) -> str:
        """The identifier of the last row, also if the row is rejected."""
        fields = self._lines.first_text.split(",", self._at + 1)
        return fields[self._at].strip('" \r\n') if len(fields) > self._at else ""

    def _reject(self, reason: str, value: str = "") -> RejectedRowError:
        self._lines.return_continuations()
        text = self._lines.first_text
        if (fault := _find_fault(text)) is None:
            known = LONG_FIELD if "field limit" in reason else reason
            return RejectedRowError(known, value=value or text)
        name = self._header[fault.column] if fault.column < self._width else ""
        return RejectedRowError(fault.reason, name, fault.value)


class _RowLines:
    """Passes the lines of one row to the CSV reader: the first one, and those that continue a quoted field."""

    def __init__(self, source: LineSource, *, breaks_allowed: bool) -> None:
        self._source = source
        self._breaks_allowed = breaks_allowed
        self._read: list[bytes] = []
        self.first_line = 0

    def begin(self) -> None:
        """Begin the next row."""
        self._read = []

    def return_continuations(self) -> None:
        """Return all lines after the first one to the source."""
        for line in reversed(self._read[1:]):
            self._source.unread(line)
        del self._read[1:]

    @property
    def first_text(self) -> str:
        return _decode(self._read[0]) if self._read else ""

    def __iter__(self) -> "_RowLines":
        return self

    def __next__(self) -> str:
        line = self._source.read_line()
        if not line:
            raise StopIteration
        if self._read and not self._continues(line):
            self._source.unread(line)
            raise StopIteration  # the reader then reports that a quote isn't closed
        if not self._read:
            self.first_line = self._source.line
        self._read.append(line)
        if type(line) is LongLine:
            raise RejectedRowError(LONG_LINE, value=_decode(line))
        return _decode(line)

    def _continues(self, line: bytes) -> bool:
        return (
            self._breaks_allowed
            and len(self._read) <= _MAX_CONTINUATIONS
            and type(line) is not LongLine
            and _BEGINS_RECORD.match(line) is None
        )


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


class _Fault(NamedTuple):
    column: int
    value: str
    reason: str


def _find_fault(line: str) -> _Fault | None:
    """Return the first field of a line with wrong quotes, None if there is none."""
    line = line.rstrip("\r\n")
    index, at = 0, 0
    while at <= len(line):
        comma = line.find(",", at)
        end = len(line) if comma < 0 else comma
        if line.startswith('"', at):
            closing = _find_closing_quote(line, at)
            if closing < 0:
                return _Fault(index, line[at:], QUOTE)
            end = closing + 1
            if end < len(line) and line[end] != ",":
                return _Fault(index, line[at:], AFTER_QUOTE)
        elif "\r" in line[at:end] or "\n" in line[at:end]:
            return _Fault(index, line[at:end], LINE_BREAK)
        index, at = index + 1, end + 1
    return None


def _find_closing_quote(line: str, opening: int) -> int:
    """Return the index of the quote that closes the one at `opening`, -1 without one; doubled quotes don't close."""
    at = line.find('"', opening + 1)
    while at >= 0 and line.startswith('""', at):
        at = line.find('"', at + 2)
    return at
