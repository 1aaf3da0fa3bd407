"""What the projector reads from its environment."""

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds


class ProjectorSettings(PlatformSettings):
    """The shared settings and the projector's own."""

    projector_scan_segments: int = Field(1, ge=1, le=64)
    """How many segments of the truth a rebuild reads at once; AWS advises one for each 2 GB."""
    projector_as_of_interval: Seconds = 0.5
    """How often the time up to which the read model is complete is written."""
    projector_keep_interval: Seconds = 1.0
    """How often is looked whether there still is a read model."""
