"""Settings of the refinery; its own environment variables begin with `MILLRACE_REFINERY_`."""

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds


class RefinerySettings(PlatformSettings):
    """Times are in seconds."""

    refinery_table: str = "millrace-refinery"
    refinery_leases_table: str = "millrace-refinery-leases"

    refinery_gap_wait: Seconds = 5.0
    """Time that a version waits for a missing earlier one."""
    refinery_gap_versions: int = Field(32, ge=1)
    """Maximum versions of one key that wait; one more skips the gap."""
    refinery_held_keys: int = Field(10_000, ge=1)
    """Maximum keys with waiting versions; at this number gaps are skipped immediately."""
    refinery_sweep_interval: Seconds = 0.5
    """Interval between two searches for expired waits."""
