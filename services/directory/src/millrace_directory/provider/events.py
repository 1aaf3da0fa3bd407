"""What happens to providers that concerns other aggregates."""

from dataclasses import dataclass

from millrace_directory.events import Event


@dataclass(frozen=True, slots=True)
class ProviderLeft(Event):
    """The provider was deleted; so are the provider's places."""
