"""The servers that the platform needs, from binaries in Python packages."""

from importlib.util import find_spec
from pathlib import Path


def package_directory(package: str) -> Path:
    """Return the directory of an installed package without importing it. Raise ModuleNotFoundError."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {package} is not installed", name=package)
    return Path(spec.origin).parent
