"""What happens to locations that concerns other aggregates."""

from dataclasses import dataclass

from millrace_directory.events import Event


@dataclass(frozen=True, slots=True)
class LocationMoved(Event):
    """Its address or its practice changed; the provider-locations there carry both."""
