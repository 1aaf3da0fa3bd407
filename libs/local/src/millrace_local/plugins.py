"""Entry points of other packages: commands (`millrace.commands`) and provisioning (`millrace.init`)."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

COMMANDS = "millrace.commands"
INIT = "millrace.init"


class BrokenPluginError(RuntimeError):
    """An installed package's entry point can't be loaded; the text names both and the reason in one line."""

    def __init__(self, entry_point: EntryPoint, error: Exception) -> None:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        package = entry_point.dist.name if entry_point.dist else "an installed package"
        super().__init__(f"{entry_point.name} of {package} ({entry_point.value}) can't be loaded: {reason}")


def plugins(group: str) -> Sequence[EntryPoint]:
    """Return the entry points of a group, sorted by name."""
    return sorted(entry_points(group=group), key=lambda entry_point: entry_point.name)


def load(entry_point: EntryPoint) -> object:
    """Load the object of an entry point. Raise BrokenPluginError for any error of its module."""
    try:
        loaded: object = entry_point.load()
    except Exception as error:  # any error of another package's module
        raise BrokenPluginError(entry_point, error) from error
    return loaded
