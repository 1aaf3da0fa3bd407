"""Cut off what only a debugger reads of the shared objects under directories: python shorten.py DIRECTORY...

The loader goes by the program headers alone (System V ABI, chapter 5). Sections that none of them covers, those with
symbols and debugging information, lie behind all that is loaded, together with the table that says where they are. Some
wheels carry ten times their code in them.
"""

import os
import struct
import sys
from pathlib import Path

ELF_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<32sQQ4sHHHHHH")
"""What comes before, offsets of program headers and sections, flags, own size, then size and number of both; names."""
PROGRAM_HEADER = struct.Struct("<8xQ16xQ16x")
"""Offset in the file, and bytes there."""


def shorten(path: Path) -> None:
    """Cut one file off; what is no ELF file of 64 bits, little-endian, or has nothing to lose, stays as it is."""
    with path.open("r+b") as file:
        head = file.read(HEADER.size)
        if not head.startswith(ELF_64_LITTLE_ENDIAN) or len(head) < HEADER.size:
            return
        before, at, _, flags, own_size, size, number, section_size, _, _ = HEADER.unpack(head)
        if size != PROGRAM_HEADER.size or number == 0:
            return
        file.seek(at)
        loaded = PROGRAM_HEADER.iter_unpack(file.read(size * number))
        end = max(at + size * number, *(offset + length for offset, length in loaded))
        if end >= os.fstat(file.fileno()).st_size:
            return
        file.seek(0)
        file.write(HEADER.pack(before, at, 0, flags, own_size, size, number, section_size, 0, 0))
        file.truncate(end)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for found in Path(name).rglob("*.so*"):
            if found.is_file() and not found.is_symlink():
                shorten(found)
