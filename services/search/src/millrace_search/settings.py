"""Settings of search."""

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds

MIB = 1_048_576


class SearchSettings(PlatformSettings):
    """Bounds of the near cache, in bytes: of what is in use at a time. Around a switch of generations there are two."""

    truth_table: str = "millrace-truth"

    search_partition_cache: int = Field(128 * MIB, ge=MIB)
    """All partitions of 1,000,000 provider-locations take some 90 MiB."""
    search_area_cache: int = Field(128 * MIB, ge=MIB)
    """Rows made ready for the circles that are asked for most."""
    search_card_cache: int = Field(1024 * MIB, ge=MIB)
    """Some 0.9 KiB a card: 1,000,000 of them fit."""
    search_openings_cache: int = Field(256 * MIB, ge=MIB)
    """All openings of 1,000,000 provider-locations take some 190 MiB."""
    search_name_cache: int = Field(32 * MIB, ge=MIB)
    search_redis_timeout: Seconds = 1.0
    """For one round trip; a connection that takes longer is dropped and opened anew."""
