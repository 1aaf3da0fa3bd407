"""The composition root, which connects the projector's components."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_platform.application import ServiceRuntime
from millrace_platform.service import Infrastructure, Subscription
from millrace_projector.as_of import AsOfTracker, AsOfWriter
from millrace_projector.first_load import FirstLoad, FirstLoadTimeouts
from millrace_projector.handler import Projector, is_unavailable
from millrace_projector.rebuild_monitor import RebuildMonitor
from millrace_projector.settings import ProjectorSettings
from millrace_projector.status import StatusReader
from millrace_projector.stores import open_stores
from millrace_readmodel.generations import ReadModel

APPLICATION = "projector"
READS_PER_SECOND = 2.5
"""Read requests per second to each shard of the stream `entities`; Kinesis allows five in total (decision 0016)."""


async def start(
    settings: ProjectorSettings, infrastructure: Infrastructure, app: FastAPI, stack: AsyncExitStack
) -> ServiceRuntime:
    """Open the stores; return the consumer of `entities`, the rebuild monitor and the as-of writer as tasks."""
    stores = await stack.enter_async_context(open_stores(settings, name=APPLICATION))
    as_of = AsOfTracker()
    timeouts = FirstLoadTimeouts(idle=settings.projector_first_load_idle)
    first_load = FirstLoad(stores.truth.is_empty, as_of, infrastructure.clock, timeouts)
    monitor = RebuildMonitor(
        stores,
        interval=settings.projector_keep_interval,
        segments=settings.projector_scan_segments,
        wait_for_truth=first_load.wait,
    )
    read_model = ReadModel(stores.redis, stores.writer, request_rebuild=monitor.request_check)
    projector = Projector(stores.truth, read_model, as_of)
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.projector_leases_table, READS_PER_SECOND, is_unavailable
    )
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, projector))
    as_of_writer = AsOfWriter(
        stores.redis, as_of, consumer.status, clock=infrastructure.clock, interval=settings.projector_as_of_interval
    )
    app.state.verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, infrastructure.clock))
    app.state.status = StatusReader(consumer, stores.redis, monitor, projector)

    async def ping_read_model() -> None:
        await stores.redis.ping()

    return ServiceRuntime(
        tasks={"consumer": consumer.run, "rebuild-monitor": monitor.run, "as-of": as_of_writer.run},
        checks={"entities": consumer.check, "truth": stores.truth.check, "read-model": ping_read_model},
    )
