"""Secret keys of a development machine, in files that only their owner can read."""

import base64
import os
from pathlib import Path
from typing import Final

from millrace_platform.files import create_file

KEY_BYTES: Final = 32


def create_key_file(path: Path) -> None:
    """Create a file with a random key in base64 unless it exists; only one of concurrent processes creates it."""
    if not path.exists():
        create_file(path, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
