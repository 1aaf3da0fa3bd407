"""The composition root: the only place that wires the projector."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_platform.application import Running
from millrace_platform.service import Infrastructure, Subscription
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


async def start(
    settings: ProjectorSettings, infrastructure: Infrastructure, app: FastAPI, stack: AsyncExitStack
) -> Running:
    """Open the stores; what runs then is the consumer of `entities`, the keeper, and the upkeep of the as-of time."""
    stores = await stack.enter_async_context(open_stores(settings, name=APPLICATION))
    as_of = AsOf()
    first_load = FirstLoad(stores.truth, as_of, infrastructure.clock, Patience())
    keeper = Keeper(
        stores,
        interval=settings.projector_keep_interval,
        segments=settings.projector_scan_segments,
        settled=first_load.over,
    )
    read_model = ReadModel(stores.redis, stores.writer, request_rebuild=keeper.absent)
    skipped = Skipped()
    projector = Projector(stores.truth, read_model, as_of, skipped=skipped.add)
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.projector_leases_table, READS_PER_SECOND, is_away
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, projector))
    as_of_writer = AsOfWriter(
        stores.redis, as_of, consumer, clock=infrastructure.clock, interval=settings.projector_as_of_interval
    )
    app.state.status = Status(consumer, stores.redis, keeper, skipped)

    async def read_model_answers() -> None:
        await stores.redis.ping()

    return Running(
        tasks={"consumer": consumer.run, "keeper": keeper.run, "as-of": as_of_writer.run},
        checks={"entities": consumer.check, "truth": stores.truth.check, "read-model": read_model_answers},
    )
