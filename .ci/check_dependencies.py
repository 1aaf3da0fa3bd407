"""Check that each package declares exactly the distributions it uses, and print one line for each difference.

A distribution also counts as used if a string names one of its modules: a server's event loop and packages that only
contain binaries are named that way.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECTS = sorted(file.parent for file in REPOSITORY.glob("*/*/pyproject.toml"))
MODULES: dict[str, set[str]] = {
    module: {canonicalize_name(name) for name in names} for module, names in packages_distributions().items()
}
# Our own packages are installed in editable mode, which records no modules.
MODULES |= {source.name: {f"millrace-{project.name}"} for project in PROJECTS for source in (project / "src").iterdir()}

# Files that run in another environment.
OTHER_ENVIRONMENTS = {"ministack_main.py"}


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level modules that a module imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


def named_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the known modules that are named in strings, or in imports of adapters such as sqlalchemy's `asyncpg`."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if len(text) < 80:
                yield from (word for word in re.findall(r"\w+", text) if word in MODULES)
            case ast.ImportFrom(module=str(module)):
                yield from (word for word in re.split(r"[._]", module) if word in MODULES)


def faults(project: Path) -> Iterator[str]:
    """Yield one line for each undeclared import and each unused requirement of the package at `project`."""
    data = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    own = canonicalize_name(data["name"])
    optional = [text for texts in data.get("optional-dependencies", {}).values() for text in texts]
    requirements = [Requirement(text) for text in (*data["dependencies"], *optional)]
    declared = {canonicalize_name(requirement.name) for requirement in requirements}
    # An extra declares the distribution that it names: redis[hiredis].
    extras = {canonicalize_name(extra) for requirement in requirements for extra in requirement.extras}
    trees = [
        ast.parse(file.read_bytes()) for file in (project / "src").rglob("*.py") if file.name not in OTHER_ENVIRONMENTS
    ]
    modules = {module for tree in trees for module in imported_modules(tree)} - sys.stdlib_module_names
    modules = {module for module in modules if not module.startswith("types_")}  # stubs, for the type check only
    names = {name for tree in trees for name in named_modules(tree)}
    for module in sorted(modules):
        if not MODULES.get(module, {module}) & (declared | extras | {own}):
            yield f"imports {module} and doesn't declare it"
    used = {name for module in modules | names for name in MODULES.get(module, ())}
    yield from (f"declares {name} and doesn't use it" for name in sorted(declared - used))


def main() -> int:
    """Print the faults of all packages; return the exit code."""
    found = [f"{project.relative_to(REPOSITORY)} {fault}" for project in PROJECTS for fault in faults(project)]
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
