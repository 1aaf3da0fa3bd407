"""Settings of the refinery; its own variables begin with `MILLRACE_REFINERY_`."""

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds


class RefinerySettings(PlatformSettings):
    """Times are in seconds."""

    refinery_table: str = "millrace-refinery"
    refinery_leases_table: str = "millrace-refinery-leases"

    refinery_gap_wait: Seconds = 5.0
    """How long a version waits for a missing earlier one."""
    refinery_gap_versions: int = Field(32, ge=1)
    """Versions of one key that may wait; one more skips the gap."""
    refinery_held_keys: int = Field(10_000, ge=1)
    """Keys whose versions may wait; at this number, gaps are skipped at once."""
    refinery_sweep_interval: Seconds = 0.5
    """Between two searches for waits that are over."""
