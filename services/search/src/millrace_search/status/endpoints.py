"""HTTP endpoint for operators; no load balancer routes its path."""

from dataclasses import asdict, fields

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from millrace_platform.internal import for_operators
from millrace_platform.service_tokens import CallPurpose
from millrace_readmodel.cached_generation import CachedGeneration
from millrace_readmodel.near_cache import NearCache
from millrace_search.find.service import SearchService
from millrace_search.index.as_of import AsOfPoller
from millrace_search.index.key_spaces import SearchKeySpaces

router = APIRouter(prefix="/internal/search", tags=["internal"])


class CacheStats(BaseModel):
    """Statistics of one key space in the near cache. Sizes are in bytes."""

    entries: int
    bytes: int
    capacity: int
    hits: int
    evictions: int


class SearchStatus(BaseModel):
    """Statistics since the process started; those of caches since their generation of the read model was opened."""

    generation: int | None = Field(description="Number of the tracked generation; null if none is tracked.")
    filled: bool = Field(description="Whether preloading has finished, as far as there is room.")
    as_of: str | None
    caches: dict[str, CacheStats]
    near_cache: dict[str, int]
    searches: dict[str, int]


@router.get("/status", summary="Get search statistics", dependencies=[for_operators(CallPurpose.STATUS)])
async def get_search_status(request: Request) -> SearchStatus:
    """Get the read model's generation, cache sizes and hits, and search counts of this worker."""
    near: NearCache = request.app.state.near_cache
    searches: SearchService = request.app.state.searches
    as_of: AsOfPoller = request.app.state.as_of
    generation = near.current
    return SearchStatus(
        generation=generation.number if generation else None,
        filled=generation is not None and generation.is_preloaded,
        as_of=as_of.text,
        caches=_caches(generation, request.app.state.key_spaces) if generation else {},
        near_cache=asdict(near.counters),
        searches=asdict(searches.stats),
    )


def _caches(generation: CachedGeneration, key_spaces: SearchKeySpaces) -> dict[str, CacheStats]:
    caches = {field.name: generation.cache(getattr(key_spaces, field.name)) for field in fields(key_spaces)}
    return {
        name: CacheStats(
            entries=len(cache), bytes=cache.bytes, capacity=cache.capacity, hits=cache.hits, evictions=cache.evictions
        )
        for name, cache in caches.items()
    }
