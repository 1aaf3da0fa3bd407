"""What happens to practices that concerns other aggregates."""

from dataclasses import dataclass

from millrace_directory.events import Event


@dataclass(frozen=True, slots=True)
class PracticeRenamed(Event):
    """Its locations carry the name."""
