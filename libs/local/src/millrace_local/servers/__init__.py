"""The servers that the platform needs, from binaries that come as Python packages."""

from importlib.util import find_spec
from pathlib import Path


def package_directory(package: str) -> Path:
    """Where an installed package lies, without importing it. Raises ModuleNotFoundError when it isn't installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {package} is not installed", name=package)
    return Path(spec.origin).parent
