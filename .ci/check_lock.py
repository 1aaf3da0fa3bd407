"""Check without network access that requirements.lock matches the packages' pyproject.toml files.

Compares the direct requirements of the projects, the requirements of the installed distributions, and the pins of the
lock. Exits with 1 if a pin is missing, unsatisfied or unused.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+))?", re.MULTILINE)


def pins() -> dict[str, Version]:
    """Return the pinned versions for this interpreter and system, by distribution."""
    text = (REPOSITORY / "requirements.lock").read_text()
    applying = (match for match in PIN.finditer(text) if _applies(match["marker"]))
    return {canonicalize_name(match["name"]): Version(match["version"]) for match in applying}


def _applies(marker: str | Marker | None, extras: Iterable[str] = ("",)) -> bool:
    """Return whether a requirement with this marker applies here, for a package required with `extras`."""
    if marker is None:
        return True
    parsed = Marker(marker) if isinstance(marker, str) else marker
    return any(parsed.evaluate({"extra": extra}) for extra in extras)


def direct_requirements() -> Iterator[str]:
    """Yield the direct requirements of our projects, except those on each other."""
    files = [REPOSITORY / "pyproject.toml", *REPOSITORY.glob("*/*/pyproject.toml")]
    for project in (tomllib.loads(file.read_text()) for file in files):
        groups = [project["project"]["dependencies"], project.get("dependency-groups", {}).get("dev", [])]
        groups += project["project"].get("optional-dependencies", {}).values()
        yield from (requirement for group in groups for requirement in group if not requirement.startswith("millrace-"))


def closure(direct: Iterable[str]) -> Iterator[Requirement]:
    """Yield the direct requirements and, recursively, the requirements of installed distributions."""
    waiting, seen = list(direct), set[str]()
    while waiting:
        text = waiting.pop()
        requirement = Requirement(text)
        key = f"{canonicalize_name(requirement.name)}[{','.join(sorted(requirement.extras))}]{requirement.specifier}"
        if key in seen:
            continue
        seen.add(key)
        yield requirement
        try:
            needs = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        extras = ("", *requirement.extras)
        waiting += [need.split(";")[0] for need in needs if _applies(Requirement(need).marker, extras)]


def faults() -> Iterator[str]:
    """Yield one line for each difference between requirements and lock."""
    pinned = pins()
    needed = set()
    for requirement in closure(direct_requirements()):
        name = canonicalize_name(requirement.name)
        needed.add(name)
        if name not in pinned:
            yield f"{name} is required but not locked"
        elif not requirement.specifier.contains(pinned[name], prereleases=True):
            yield f"{name} is locked at {pinned[name]}, but {requirement} is required"
    yield from (f"{name} is locked but nothing requires it" for name in sorted(set(pinned) - needed))


def main() -> int:
    """Print the faults; return the exit code."""
    found = sorted(set(faults()))
    sys.stdout.writelines(f"requirements.lock: {fault}\n" for fault in found)
    if found:
        sys.stdout.write("run: make lock\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
