"""Reads the elements of a JSON array one by one, from a file of any size in constant memory."""

import codecs
import gzip
import json
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any, cast

from millrace_directory.bulk_import.errors import UnusableFileError

_BLOCK = 1 << 18
_LONGEST_ELEMENT = 1 << 24
_BETWEEN = " \t\r\n,"
_GZIP = b"\x1f\x8b"


class JsonArray:
    """Iterates over the elements of a file with one JSON array, plain or gzip; raises `UnusableFileError`.

    `consumed` is the number of bytes read from the disk.
    """

    def __init__(self, path: Path) -> None:
        self.consumed = 0
        self._path = path
        self._decoder = json.JSONDecoder()
        self._index = 0

    def __iter__(self) -> Iterator[Any]:
        try:
            with self._path.open("rb") as raw:
                packed = raw.read(2) == _GZIP
                raw.seek(0)
                stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
                yield from self._elements(raw, stream)
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnusableFileError(f"{self._path} can't be read: {reason}.") from error
        except UnicodeDecodeError as error:
            raise self._not_an_array("is not UTF-8") from error

    def _elements(self, raw: IO[bytes], stream: IO[bytes]) -> Iterator[Any]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        text = decoder.decode(stream.read(_BLOCK)).lstrip("\ufeff \t\r\n")
        if not text.startswith("["):
            raise self._not_an_array("does not begin with [")
        text = text[1:]
        while True:
            self.consumed = raw.tell()
            end = yield from self._whole_elements(text)
            text = text[end:]
            if text.startswith("]"):
                return
            if len(text) > _LONGEST_ELEMENT:
                raise self._not_an_array(f"is damaged, or longer than {_LONGEST_ELEMENT:,} characters")
            block = stream.read(_BLOCK)
            if not block:
                raise self._not_an_array("is damaged, or the file is cut short")
            text += decoder.decode(block)

    def _whole_elements(self, text: str) -> Generator[Any, None, int]:
        """Yield the complete elements at the start of the text; return the index after the last of them."""
        at = 0
        while True:
            while at < len(text) and text[at] in _BETWEEN:
                at += 1
            if at == len(text) or text[at] == "]":
                return at
            try:
                element, at = self._decoder.raw_decode(text, at)
            except json.JSONDecodeError:
                return at
            self._index += 1
            yield element

    def _not_an_array(self, fault: str) -> UnusableFileError:
        return UnusableFileError(f"{self._path} is not a JSON array of objects: element {self._index + 1} {fault}.")
