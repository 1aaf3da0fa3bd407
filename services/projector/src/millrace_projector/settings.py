"""Settings of the projector; its own environment variables begin with `MILLRACE_PROJECTOR_`."""

from pydantic import Field

from millrace_platform.settings import CallerKeys, PlatformSettings, Seconds


class ProjectorSettings(PlatformSettings):
    """Settings of the projector. Times are in seconds."""

    truth_table: str = "millrace-truth"
    projector_leases_table: str = "millrace-projector-leases"
    directory_url: str = "http://127.0.0.1:8001"
    """Address of the directory, whose snapshot `millrace verify` reads."""
    operator_projector_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""

    projector_scan_segments: int = Field(1, ge=1, le=64)
    """Number of segments of the source of truth that a rebuild reads in parallel; AWS recommends one for each 2 GB."""
    projector_as_of_interval: Seconds = 0.5
    """Interval between two updates of the as-of times, up to which the read model is complete."""
    projector_first_load_idle: Seconds = 3.0
    """Time without a record after which the first load of an empty platform counts as complete (decision 0015)."""
    projector_keep_interval: Seconds = 1.0
    """Interval between two checks that the read model exists."""
