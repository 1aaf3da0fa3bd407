"""What search shows to those who run it. Its path is not open to the world at the load balancer."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from millrace_readmodel.cached_generation import Generation
from millrace_readmodel.lru import Lru
from millrace_readmodel.near_cache import NearCache
from millrace_search.find.service import Searches
from millrace_search.index.as_of import AsOf
from millrace_search.index.kinds import Kinds

router = APIRouter(prefix="/internal/search", tags=["internal"])


class CacheFigures(BaseModel):
    """One kind of strings in the near cache. Sizes in bytes."""

    entries: int
    bytes: int
    capacity: int
    hits: int
    evictions: int


class SearchStatus(BaseModel):
    """Figures since the start of this process, of the caches since the generation's."""

    generation: int | None = Field(description="Number of the generation that is read; null when none is tracked.")
    filled: bool = Field(description="Whether partitions and cards were read ahead of demand, as far as there is room.")
    as_of: str | None
    caches: dict[str, CacheFigures]
    near_cache: dict[str, int]
    searches: dict[str, int]


@router.get("/status", summary="Figures of this worker")
async def status(request: Request) -> SearchStatus:
    """The generation at hand, sizes and hits of its caches, and what befell searches."""
    near: NearCache = request.app.state.near_cache
    searches: Searches = request.app.state.searches
    as_of: AsOf = request.app.state.as_of
    generation = near.current
    return SearchStatus(
        generation=generation.number if generation else None,
        filled=generation is not None and generation.surveyed,
        as_of=as_of.text,
        caches=_caches(generation, request.app.state.kinds) if generation else {},
        near_cache=asdict(near.counters),
        searches=asdict(searches.figures),
    )


def _caches(generation: Generation, kinds: Kinds) -> dict[str, CacheFigures]:
    return {
        "partitions": _figures(generation.store(kinds.partitions)),
        "names": _figures(generation.store(kinds.names)),
        "cards": _figures(generation.store(kinds.cards)),
        "openings": _figures(generation.store(kinds.openings)),
    }


def _figures(store: Lru[bytes, Any]) -> CacheFigures:
    return CacheFigures(
        entries=len(store),
        bytes=store.bytes,
        capacity=store.capacity,
        hits=store.hits,
        evictions=store.evictions,
    )
