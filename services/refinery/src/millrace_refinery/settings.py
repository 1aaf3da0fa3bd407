"""What the refinery reads from its environment."""

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds


class RefinerySettings(PlatformSettings):
    """The shared settings and the refinery's own."""

    refinery_gap_wait: Seconds = 5.0
    """How long a version waits for a missing one before it."""
    refinery_gap_versions: int = Field(32, ge=1)
    """How many versions one key holds back; the next one skips the gap."""
    refinery_held_keys: int = Field(10_000, ge=1)
    """How many keys hold versions back; while there are as many, gaps are skipped without a wait."""
    refinery_sweep_interval: Seconds = 0.5
    """How often waits that are over are looked for."""
