"""Open the parts that services share: clock, identifiers, feeds and the verification of access tokens."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from millrace_feeds.aws import AwsSettings
from millrace_feeds.clock import Clock, SystemClock
from millrace_feeds.consumer import Consumer
from millrace_feeds.handler import Handler, OutagePredicate, is_outage
from millrace_feeds.transport import Transport
from millrace_feeds.wiring import ConsumerConfig, open_consumer, open_transport
from millrace_platform import authentication
from millrace_platform.authentication import TokenVerifier
from millrace_platform.ids import Ids, Uuid7
from millrace_platform.settings import PlatformSettings


@dataclass(frozen=True, slots=True)
class Subscription:
    """A stream that a service consumes. `reads_per_second`: its share of the five that Kinesis allows per shard."""

    application: str
    stream: str
    leases_table: str
    reads_per_second: float = 5.0
    is_outage: OutagePredicate = is_outage


def aws_settings(settings: PlatformSettings) -> AwsSettings:
    return AwsSettings(endpoint_url=settings.aws_endpoint_url, region=settings.aws_region)


def _open_transport(settings: PlatformSettings) -> AbstractAsyncContextManager[Transport]:
    return open_transport(aws_settings(settings))


def _open_consumer(
    settings: PlatformSettings, subscription: Subscription, handler: Handler
) -> AbstractAsyncContextManager[Consumer]:
    config = ConsumerConfig(
        application=subscription.application,
        stream=subscription.stream,
        leases_table=subscription.leases_table,
        dead_letters_table=settings.dead_letters_table,
        worker=settings.worker,
        reads_per_second=subscription.reads_per_second,
    )
    return open_consumer(config, handler, aws=aws_settings(settings), is_outage=subscription.is_outage)


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """The external dependencies of a service. The defaults are for deployments; tests replace them.

    `ids` generates UUIDs that increase with time.
    """

    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=Uuid7)
    open_transport: Callable[[PlatformSettings], AbstractAsyncContextManager[Transport]] = _open_transport
    open_consumer: Callable[[PlatformSettings, Subscription, Handler], AbstractAsyncContextManager[Consumer]] = (
        _open_consumer
    )
    open_verifier: Callable[[PlatformSettings, Clock], AbstractAsyncContextManager[TokenVerifier]] = (
        authentication.open_verifier
    )

    @classmethod
    def of(cls, settings: PlatformSettings) -> "Infrastructure":
        """Return the infrastructure of a process with these settings.

        Only the service's own clock is shifted by `clock_ahead`: the feeds compare times with those of AWS, and ids
        must also increase when the clock isn't shifted any more.
        """
        return cls(clock=settings.clock())
