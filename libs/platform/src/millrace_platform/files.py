"""Files that are created once and never changed."""

import os
from pathlib import Path


def create_file(path: Path, content: bytes, mode: int = 0o600) -> bool:
    """Create a file, with its directory, in one step; return False and change nothing if it exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Linking is atomic and never replaces an existing file.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True
