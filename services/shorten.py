"""Cut off what only a debugger reads of the shared objects under directories: python shorten.py DIRECTORY...

The loader goes by the program headers alone (System V ABI, chapter 5). Sections that none of them covers, those with
symbols and debugging information, lie behind all that is loaded, together with the table that says where they are. Some
wheels carry ten times their code in them.
"""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ELF_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
NO_SECTIONS = 0


def end_of_what_is_loaded(head: bytes, programs: bytes) -> int:
    """The size in bytes of a file whose header and table of program headers are given, without what nobody loads."""
    ends: list[int] = [HEADER.size, HEADER.unpack(head)[5] + len(programs)]
    ends += (header[2] + header[5] for header in PROGRAM_HEADER.iter_unpack(programs))
    return max(ends)


def shorten(path: Path) -> int:
    """Bytes that the file lost; 0 where it is no shared object of 64 bits, little-endian, or has nothing to lose."""
    with path.open("r+b") as file:
        head = file.read(HEADER.size)
        if not head.startswith(ELF_64_LITTLE_ENDIAN) or len(head) < HEADER.size:
            return 0
        fields = list(HEADER.unpack(head))
        program_offset, program_size, programs = fields[5], fields[9], fields[10]
        if program_size != PROGRAM_HEADER.size or programs == 0:
            return 0
        file.seek(program_offset)
        size = end_of_what_is_loaded(head, file.read(program_size * programs))
        lost = os.fstat(file.fileno()).st_size - size
        if lost <= 0:
            return 0
        fields[6] = fields[12] = fields[13] = NO_SECTIONS
        file.seek(0)
        file.write(HEADER.pack(*fields))
        file.truncate(size)
    return lost


def shared_objects(directory: Path) -> Iterator[Path]:
    """What the loader may be asked for."""
    yield from (path for path in directory.rglob("*.so*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for found in shared_objects(Path(name)):
            shorten(found)
