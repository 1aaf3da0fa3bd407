"""The composition root: creates the refinery's objects and connects them."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.aws import dynamodb_client
from millrace_feeds.publisher import Publisher
from millrace_platform.application import ServiceRuntime
from millrace_platform.service import Infrastructure, Subscription, aws_settings
from millrace_refinery.dynamodb import DynamoDBStateStore
from millrace_refinery.ordering import Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.settings import RefinerySettings
from millrace_refinery.stats import Stats
from millrace_refinery.status import StatusReader
from millrace_refinery.sweep import GapSweep, shards_at_tip

APPLICATION = "refinery"


async def start(
    settings: RefinerySettings, infrastructure: Infrastructure, app: FastAPI, stack: AsyncExitStack
) -> ServiceRuntime:
    """Open stores and streams; return two tasks: the consumer of `changes`, and the sweep, which stops waiting for
    versions that are overdue.
    """
    store = DynamoDBStateStore(
        await stack.enter_async_context(dynamodb_client(aws_settings(settings))), settings.refinery_table
    )
    transport = await stack.enter_async_context(infrastructure.open_transport(settings))
    stats = Stats()
    refiner = Refiner(
        store=store,
        sink=Publisher(transport=transport, stream=settings.entities_stream),
        clock=infrastructure.clock,
        stats=stats,
        limits=Limits(wait=settings.refinery_gap_wait, versions=settings.refinery_gap_versions),
        max_held=settings.refinery_held_keys,
    )
    subscription = Subscription(APPLICATION, settings.changes_stream, settings.refinery_leases_table)
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, refiner))
    sweep = GapSweep(
        refiner=refiner, shards=lambda: shards_at_tip(consumer.status()), interval=settings.refinery_sweep_interval
    )
    app.state.verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, infrastructure.clock))
    app.state.status = StatusReader(consumer, refiner, stats)
    return ServiceRuntime(
        tasks={"consumer": consumer.run, "sweep": sweep.run}, checks={"changes": consumer.check, "states": store.check}
    )
