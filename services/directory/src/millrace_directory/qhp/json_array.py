"""Reads the elements of a JSON array one by one, from a file of any size in bounded memory."""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import RejectedRowError

NOT_JSON: Final = "not JSON"
TOO_DEEP: Final = "nested too deeply"
LONG_NUMBER: Final = "number too long"
LONG_RECORD: Final = "record too long"
AFTER_ARRAY: Final = "text after the end of the array"

_BLOCK = 1 << 18
_LONGEST_ELEMENT = 1 << 22
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_FIRST_KEYS = 16
_LONGEST_TOKEN = 16
"""Maximum number of characters in a literal or an escape, which the end of a block can cut."""
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SCALAR_END = re.compile(r"[,\]\s]")
_CLOSING = {"{": "}", "[": "]"}
_NEXT_OBJECT = re.compile(r',\s*(?=\{\s*"([^"\\]*)")')


class Element(NamedTuple):
    """An element of the array: its number and the line in which it begins, both counted from 1.

    `fault` says why it can't be read; `value` is then None.
    """

    number: int
    line: int
    value: Any
    fault: RejectedRowError | None = None


class JsonArray:
    """Iterates over the elements of a file with one JSON array, plain or gzip.

    An element that can't be read has a `fault`, and reading continues at the next one. Bytes that aren't UTF-8 are
    decoded with `surrogateescape`. Raises `UnusableFileError` for a file that isn't an array, or is cut short.
    `consumed` is the number of bytes read from the disk.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.consumed = 0
        self._path = path
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._line = 1
        self._number = 0
        self._first_keys: set[str] = set()
        """The first keys of the objects so far, by which the beginning of the next one is found after a fault."""

    def __iter__(self) -> Iterator[Element]:
        try:
            with self._path.open("rb") as raw:
                head = raw.read(2)
                raw.seek(0)
                if head in _UTF16:
                    raise UnusableFileError(f"{self._path} is in UTF-16. Convert it to UTF-8.")
                stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if head == _GZIP else raw
                yield from self._elements(self._blocks(raw, stream))
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnusableFileError(f"{self._path} can't be read: {reason}.") from error

    def _blocks(self, raw: IO[bytes], stream: IO[bytes]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        while block := stream.read(_BLOCK):
            self.consumed = raw.tell()
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)

    def _elements(self, blocks: Iterator[str]) -> Iterator[Element]:
        self._read_more(blocks)
        self._text = self._text.removeprefix("\ufeff")
        self._skip_between(blocks)
        if not self._text.startswith("[", self._at):
            raise UnusableFileError(f"{self._path} is not a JSON array of objects: it does not begin with [.")
        self._advance(self._at + 1)
        has_end = False
        while self._skip_between(blocks):
            if self._text[self._at] != "]":
                yield self._element(blocks)
                continue
            line = self._line
            self._advance(self._at + 1)
            if not self._skip_between(blocks):
                return
            has_end = True
            self._number += 1
            yield Element(self._number, line, None, RejectedRowError(AFTER_ARRAY, value=self._text[self._at :][:300]))
        if not has_end:
            raise self._cut_short()

    def _skip_between(self, blocks: Iterator[str]) -> bool:
        """Go to the next element or bracket; return False at the end of the file."""
        while True:
            match = _BETWEEN.match(self._text, self._at)
            self._advance(self._at if match is None else match.end())
            if self._at < len(self._text):
                return True
            if not self._read_more(blocks):
                return False

    def _element(self, blocks: Iterator[str]) -> Element:
        self._number += 1
        line, fault = self._line, ""
        while not fault:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                fault = TOO_DEEP
            except json.JSONDecodeError as error:
                can_be_cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _LONGEST_TOKEN
                if not can_be_cut:
                    fault = NOT_JSON
                elif len(self._text) - self._at > _LONGEST_ELEMENT:
                    fault = LONG_RECORD
                elif not self._read_more(blocks):
                    fault = NOT_JSON
            except ValueError:
                fault = LONG_NUMBER
            else:
                if end == len(self._text) and self._read_more(blocks):
                    continue  # a number can continue in the next block
                if isinstance(value, dict) and value and len(self._first_keys) < _MAX_FIRST_KEYS:
                    self._first_keys.add(next(iter(value)))
                self._advance(end)
                return Element(self._number, line, value)
        rejected = RejectedRowError(fault, value=self._text[self._at :][:300])
        self._skip_faulty(blocks)
        return Element(self._number, line, None, rejected)

    def _skip_faulty(self, blocks: Iterator[str]) -> None:
        """Go behind a faulty element: to the next object that begins like the others, or behind its last bracket."""
        has_beginning = True
        while True:
            found = self._find_next_object()
            end = _find_end(self._text, self._at) if has_beginning else -1
            if end >= 0 and (found < 0 or end <= found):
                found = end
            if found >= 0:
                return self._advance(found)
            if len(self._text) - self._at > _LONGEST_ELEMENT:
                # Too long to look for its end: only the next object counts from here on.
                self._advance(len(self._text) - _LONGEST_TOKEN)
                has_beginning = False
            if not self._read_more(blocks):
                return self._skip_rest()

    def _find_next_object(self) -> int:
        for match in _NEXT_OBJECT.finditer(self._text, self._at + 1):
            if match.group(1) in self._first_keys:
                return match.end()
        return -1

    def _skip_rest(self) -> None:
        """Go to the bracket at the end of the file; raise `UnusableFileError` if there is none."""
        rest = self._text.rstrip()
        if not rest.endswith("]", self._at + 1):
            raise self._cut_short()
        self._advance(len(rest) - 1)

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _read_more(self, blocks: Iterator[str]) -> bool:
        """Read the next block and forget the text before the position; return False at the end of the file."""
        block = next(blocks, "")
        self._text, self._at = self._text[self._at :] + block, 0
        return bool(block)

    def _cut_short(self) -> UnusableFileError:
        return UnusableFileError(f"{self._path} is cut short: its array has no end after record {self._number:,}.")


def _find_end(text: str, start: int) -> int:
    """Return the index after the element that starts here, -1 if its end isn't in the text."""
    if text[start] not in '{["':
        match = _SCALAR_END.search(text, start + 1)
        return -1 if match is None else match.start()
    depth = 0
    for match in _TOKEN.finditer(text, start):
        found = match.group()
        if found in "[{":
            depth += 1
        elif found in "]}":
            depth -= 1
        if depth <= 0:
            return match.end() if _CLOSING.get(text[start], found) == found else -1
    return -1
