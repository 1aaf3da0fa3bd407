"""The composition root: the only place that wires the projector."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.assembly import ConsumerPlace, open_consumer
from millrace_feeds.aws import AwsSettings
from millrace_feeds.clock import SystemClock
from millrace_platform.application import Running
from millrace_projector.as_of import AsOf, AsOfWriter
from millrace_projector.first_load import FirstLoad, Patience
from millrace_projector.handler import Projector, is_away
from millrace_projector.keeper import Keeper
from millrace_projector.settings import ProjectorSettings
from millrace_projector.status import Skipped, Status
from millrace_projector.stores import open_stores
from millrace_readmodel.generations import ReadModel

APPLICATION = "projector"
READS_PER_SECOND = 3.5
"""Of each shard of `entities`; see decision 0016."""


async def start(settings: ProjectorSettings, app: FastAPI, stack: AsyncExitStack) -> Running:
    """Open the stores; what runs then is the consumer of `entities`, the keeper, and the upkeep of the as-of time."""
    stores = await stack.enter_async_context(open_stores(settings, name=APPLICATION))
    as_of = AsOf()
    first_load = FirstLoad(stores.truth, as_of, SystemClock(), Patience())
    keeper = Keeper(
        stores,
        interval=settings.projector_keep_interval,
        segments=settings.projector_scan_segments,
        settled=first_load.over,
    )
    read_model = ReadModel(stores.redis, stores.writer, absent=keeper.absent)
    skipped = Skipped()
    projector = Projector(stores.truth, read_model, as_of, skipped=skipped.add)
    consumer = await stack.enter_async_context(
        open_consumer(_place(settings), projector, aws=aws_settings(settings), outage=is_away)
    )
    as_of_writer = AsOfWriter(
        stores.redis, as_of, consumer, clock=SystemClock(), interval=settings.projector_as_of_interval
    )
    app.state.status = Status(consumer, stores.redis, keeper, skipped)

    async def read_model_answers() -> None:
        await stores.redis.ping()

    return Running(
        tasks={"consumer": consumer.run, "keeper": keeper.run, "as-of": as_of_writer.run},
        checks={"entities": consumer.check, "truth": stores.truth.check, "read-model": read_model_answers},
    )


def aws_settings(settings: ProjectorSettings) -> AwsSettings:
    return AwsSettings(endpoint_url=settings.aws_endpoint_url, region=settings.aws_region)


def _place(settings: ProjectorSettings) -> ConsumerPlace:
    return ConsumerPlace(
        application=APPLICATION,
        stream=settings.entities_stream,
        leases_table=settings.projector_leases_table,
        dead_letters_table=settings.dead_letters_table,
        worker=settings.worker,
        reads_per_second=READS_PER_SECOND,
    )
