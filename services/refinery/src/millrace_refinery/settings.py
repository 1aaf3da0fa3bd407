"""Settings of the refinery; its own environment variables begin with `MILLRACE_REFINERY_`."""

from pydantic import Field

from millrace_platform.settings import CallerKeys, PlatformSettings, Seconds


class RefinerySettings(PlatformSettings):
    """Settings of the refinery in addition to the shared ones; times are in seconds."""

    refinery_table: str = "millrace-refinery"
    refinery_leases_table: str = "millrace-refinery-leases"
    operator_refinery_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""

    refinery_gap_wait: Seconds = 5.0
    """Maximum time that a version waits for a missing earlier one."""
    refinery_gap_versions: int = Field(32, ge=1)
    """Maximum number of waiting versions of one key; beyond it the gap is skipped."""
    refinery_held_keys: int = Field(10_000, ge=1)
    """Number of keys with waiting versions at which further gaps are skipped immediately."""
    refinery_sweep_interval: Seconds = 0.5
    """Pause between two searches of the state table for versions that have waited long enough."""
