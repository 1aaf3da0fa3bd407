"""The files of an NPPES publication that an import reads: the main file and the reference files that belong to it.

CMS publishes them in one zip. Unpacked, each is recognized by its header, not by its name.
"""

import csv
import hashlib
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.nppes.source import LineSource, digest_of, is_zip, members_of

_HEADER_ONLY = "fileheader"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Part(Enum):
    """A file of the publication: the beginning of its name, and a column that no other file has."""

    MAIN = ("npidata_pfile", "Entity Type Code")
    PRACTICE_LOCATIONS = ("pl_pfile", "Provider Secondary Practice Location Address - City Name")
    OTHER_NAMES = ("othername_pfile", "Provider Other Organization Name")

    def __init__(self, prefix: str, column: str) -> None:
        self.prefix = prefix
        self.column = column


class PartFile(NamedTuple):
    """A part: the path of its file or zip, and its name, in a zip that of the member."""

    path: Path
    name: str


Parts = dict[Part, PartFile]


def find_parts(paths: Sequence[Path]) -> Parts:
    """Return the parts in these files, plain, gzip or zip.

    Raise `UnusableFileError` if a file isn't a part, if there are two of one kind, or if the main file is missing.
    Files that CMS publishes with only a header are ignored.
    """
    found: Parts = {}
    for path in paths:
        if _HEADER_ONLY in path.name.lower() and len(paths) > 1:
            continue
        for part, name in (_parts_in_zip(path) if is_zip(path) else {_part_of(path): path.name}).items():
            if part in found:
                raise UnusableFileError(
                    f"{found[part].path} and {path} both contain {part.prefix}_….csv. Give one of them."
                )
            found[part] = PartFile(path, name)
    if Part.MAIN not in found:
        raise UnusableFileError("The main file is missing: give the zip, or npidata_pfile_….csv with the other files.")
    return found


def _parts_in_zip(path: Path) -> dict[Part, str]:
    found = {part: members[0] for part in Part if (members := members_of(path, part.prefix))}
    if Part.MAIN not in found:
        raise UnusableFileError(f"{path} contains no file named {Part.MAIN.prefix}_….csv.")
    return found


def _part_of(path: Path) -> Part:
    with LineSource(path) as source:
        header = read_header(source)
    for part in Part:
        if part.column in header:
            return part
    raise UnusableFileError(f"The header of {path} isn't that of an NPPES file.")


def read_header(source: LineSource) -> list[str]:
    """Read the column names, each without its irregular spaces; raise `UnusableFileError` if there is no header."""
    line = source.read_line()
    if not line:
        raise UnusableFileError(f"{source.name} is empty: it should begin with the header of an NPPES file.")
    if line.startswith(_UTF16):
        raise UnusableFileError(f"{source.name} is in UTF-16. Convert it to UTF-8.")
    try:
        header = next(csv.reader([line.decode("utf-8-sig", "replace")], strict=True))
    except csv.Error as error:
        raise UnusableFileError(f"The header isn't that of an NPPES file: {error}.") from error
    return [" ".join(name.replace("Address-", "Address -").split()) for name in header]


def open_part(parts: Parts, part: Part) -> LineSource:
    return LineSource(parts[part].path, part.prefix)


def digest_of_all(parts: Parts, progress: Callable[[int], None]) -> str:
    """Return one digest of the files; raise `UnusableFileError` if one can't be read."""
    digests = sorted(digest_of(path, progress) for path in {file.path for file in parts.values()})
    return digests[0] if len(digests) == 1 else hashlib.blake2b("".join(digests).encode(), digest_size=20).hexdigest()
