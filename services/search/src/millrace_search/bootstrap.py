"""The composition root, which connects the components of the search service."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_platform.application import ServiceRuntime
from millrace_platform.authentication import open_verifier
from millrace_readmodel.dynamodb import truth_client
from millrace_readmodel.near_cache import NearCache
from millrace_readmodel.tracking import Limits
from millrace_readmodel.truth import Truth
from millrace_search.find.service import SearchService
from millrace_search.index.as_of import AsOfPoller
from millrace_search.index.key_spaces import create_key_spaces
from millrace_search.index.lexicon import Lexicons
from millrace_search.provider.service import ProviderService
from millrace_search.settings import SearchSettings
from millrace_search.suggest.service import SuggestionService


async def start(settings: SearchSettings, app: FastAPI, stack: AsyncExitStack) -> ServiceRuntime:
    """Create the clients of both stores and the service's components; neither store needs to be available yet."""
    aws = truth_client(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url)
    truth = Truth(await stack.enter_async_context(aws), settings.truth_table)
    key_spaces = create_key_spaces(
        partitions=settings.search_partition_cache,
        names=settings.search_name_cache,
        cards=settings.search_card_cache,
        openings=settings.search_openings_cache,
    )
    lexicons = Lexicons()
    near = NearCache(
        settings.redis_url,
        key_spaces.all(),
        lexicons,
        limits=Limits(timeout=settings.search_redis_timeout),
        tls=settings.public_context(),
    )
    as_of = AsOfPoller(near.send)
    app.state.verifier = await stack.enter_async_context(open_verifier(settings, settings.clock()))
    app.state.key_spaces = key_spaces
    app.state.near_cache = near
    app.state.as_of = as_of
    app.state.searches = SearchService(
        near, key_spaces, lexicons, as_of, settings.clock(), areas=settings.search_area_cache
    )
    app.state.suggester = SuggestionService(near, key_spaces, lexicons)
    app.state.providers = ProviderService(truth, settings.clock())

    return ServiceRuntime(
        supporting={"near cache": near.run, "lexicon": lexicons.run, "as of": as_of.run},
        checks={"read model": near.check, "truth": truth.check},
    )
