"""What this service is told beyond the platform's settings; variables begin with `MILLRACE_SCHEDULING_`."""

from typing import Annotated

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds


class SchedulingSettings(PlatformSettings):
    """Times are in seconds."""

    scheduling_database_url: str = Field("postgresql://127.0.0.1:5432/scheduling", repr=False)
    scheduling_leases_table: str = "millrace-scheduling-leases"

    scheduling_openings_interval: Seconds = 0.1
    """How long changes of openings are gathered before they are told."""
    scheduling_aging_interval: Seconds = 900.0
    """How often openings are told anew that came within the minimum notice or lie behind."""
    scheduling_extension_interval: Seconds = 3600.0
    """How often is looked for calendars whose slots don't reach their horizon."""
    scheduling_heartbeat: Seconds = 15.0
    """Silence after which a stream of openings sends a comment, so that nothing between takes it for dead."""
    scheduling_streams: Annotated[int, Field(ge=0)] = 500
    """Streams of openings that a process keeps at once; further ones get 503."""

    scheduling_lapse_interval: Seconds = 1.0
    """How often holds are looked for whose time is over."""
    scheduling_waitlist_interval: Seconds = 1.0
    """How often is looked whose turn it is in the waitlist."""
    scheduling_proxy_hops: Annotated[int, Field(ge=0, le=8)] = 1
    """How many proxies of ours append to `X-Forwarded-For` before a request arrives; 0: the peer is the client."""
