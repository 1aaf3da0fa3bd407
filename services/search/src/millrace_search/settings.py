"""Settings of the search service."""

from pydantic import Field

from millrace_platform.settings import CallerKeys, PlatformSettings, Seconds

MIB = 1_048_576


class SearchSettings(PlatformSettings):
    """Settings of the search service. Cache sizes are in bytes per generation; during a switch there are two."""

    truth_table: str = "millrace-truth"
    operator_search_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""

    search_partition_cache: int = Field(128 * MIB, ge=MIB)
    """Cache size for partitions; those of 1,000,000 provider-locations take about 90 MiB."""
    search_area_cache: int = Field(128 * MIB, ge=MIB)
    """Cache size for the decoded rows of frequent searches, and the same again for their openings."""
    search_card_cache: int = Field(1024 * MIB, ge=MIB)
    """Cache size for cards (contents of search results) of about 0.9 KiB each, so that 1,000,000 fit."""
    search_openings_cache: int = Field(256 * MIB, ge=MIB)
    """Cache size for openings; those of 1,000,000 provider-locations take about 190 MiB."""
    search_name_cache: int = Field(32 * MIB, ge=MIB)
    search_redis_timeout: Seconds = 1.0
    """Longest wait for a reply in seconds; a slower connection is closed and reopened."""
