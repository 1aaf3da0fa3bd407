"""The composition root: the only place that wires the refinery."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.assembly import ConsumerPlace, open_consumer, open_publisher
from millrace_feeds.aws import AwsSettings, dynamodb_client
from millrace_feeds.clock import SystemClock
from millrace_feeds.consumer import Consumer
from millrace_platform.application import Running
from millrace_refinery.dynamodb import DynamoDBStateStore
from millrace_refinery.figures import Figures
from millrace_refinery.ordering import Limits
from millrace_refinery.refiner import Refiner
from millrace_refinery.settings import RefinerySettings
from millrace_refinery.status import Status
from millrace_refinery.sweep import Sweep, read_to_tip

APPLICATION = "refinery"


async def start(settings: RefinerySettings, app: FastAPI, stack: AsyncExitStack) -> Running:
    """Open the stores and streams; what runs then is the consumer of `changes` and the sweep of held versions."""
    aws = aws_settings(settings)
    store = DynamoDBStateStore(await stack.enter_async_context(dynamodb_client(aws)), settings.refinery_table)
    publisher = await stack.enter_async_context(open_publisher(settings.entities_stream, aws=aws))
    figures = Figures()
    refiner = Refiner(
        store=store,
        sink=publisher,
        clock=SystemClock(),
        figures=figures,
        limits=Limits(wait=settings.refinery_gap_wait, versions=settings.refinery_gap_versions),
        max_held=settings.refinery_held_keys,
    )
    consumer = await stack.enter_async_context(open_consumer(_place(settings), refiner, aws=aws))
    sweep = Sweep(
        refiner=refiner,
        shards=lambda: read_to_tip(consumer.status()),
        interval=settings.refinery_sweep_interval,
    )
    app.state.status = Status(consumer, refiner, figures)
    return _running(consumer, sweep, store)


def aws_settings(settings: RefinerySettings) -> AwsSettings:
    return AwsSettings(endpoint_url=settings.aws_endpoint_url, region=settings.aws_region)


def _place(settings: RefinerySettings) -> ConsumerPlace:
    return ConsumerPlace(
        application=APPLICATION,
        stream=settings.changes_stream,
        leases_table=settings.refinery_leases_table,
        dead_letters_table=settings.dead_letters_table,
        worker=settings.worker,
    )


def _running(consumer: Consumer, sweep: Sweep, store: DynamoDBStateStore) -> Running:
    return Running(
        tasks={"consumer": consumer.run, "sweep": sweep.run},
        checks={"changes": consumer.check, "states": store.check},
    )
