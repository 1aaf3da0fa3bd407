"""What happens to insurance plans that concerns other aggregates."""

from dataclasses import dataclass

from millrace_directory.events import Event


@dataclass(frozen=True, slots=True)
class PlanWithdrawn(Event):
    """The plan was deleted; nobody accepts it any more."""
