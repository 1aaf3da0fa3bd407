"""The composition root: the only place that wires search."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.clock import SystemClock
from millrace_platform.application import Running
from millrace_readmodel.dynamodb import truth_client
from millrace_readmodel.near_cache import NearCache
from millrace_readmodel.tracking import Limits
from millrace_readmodel.truth import Truth
from millrace_search.find.service import SearchService
from millrace_search.index.as_of import AsOfPoller
from millrace_search.index.key_spaces import key_spaces
from millrace_search.index.lexicon import Lexicons
from millrace_search.provider.service import ProviderService
from millrace_search.settings import SearchSettings
from millrace_search.suggest.service import SuggestionService


async def start(settings: SearchSettings, app: FastAPI, stack: AsyncExitStack) -> Running:
    """Open the truth; what runs then follows the read model. Neither has to be there yet."""
    aws = truth_client(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url)
    truth = Truth(await stack.enter_async_context(aws), settings.truth_table)
    held = key_spaces(
        partitions=settings.search_partition_cache,
        names=settings.search_name_cache,
        cards=settings.search_card_cache,
        openings=settings.search_openings_cache,
    )
    lexicons = Lexicons()
    near = NearCache(settings.redis_url, held.all(), lexicons, limits=Limits(timeout=settings.search_redis_timeout))
    as_of = AsOfPoller(near.send)
    app.state.key_spaces = held
    app.state.near_cache = near
    app.state.as_of = as_of
    app.state.searches = SearchService(near, held, lexicons, as_of, SystemClock(), areas=settings.search_area_cache)
    app.state.suggester = SuggestionService(near, held, lexicons)
    app.state.providers = ProviderService(truth, SystemClock())

    return Running(
        supporting={"near cache": near.run, "lexicon": lexicons.run, "as of": as_of.run},
        checks={"read model": near.check, "truth": truth.check},
    )
