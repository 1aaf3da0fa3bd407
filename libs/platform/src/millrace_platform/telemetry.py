"""Traces, metrics and logs over OTLP/HTTP where `OTEL_EXPORTER_OTLP_ENDPOINT` is set; elsewhere nothing is imported."""

from collections.abc import Iterator
from contextlib import contextmanager

from millrace_platform.settings import PlatformSettings


@contextmanager
def telemetry(settings: PlatformSettings, *, service: str) -> Iterator[None]:
    """Export what the process tells until the end of the block, then send what is left.

    Once a process: OpenTelemetry's providers can't be replaced. Servers and commands wrap their whole run in it.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    # The SDK and its exporters take 60 ms and 20 MB: only for who exports.
    from millrace_platform.otlp import Exporting  # noqa: PLC0415

    exporting = Exporting(settings.otlp_endpoint, service)
    exporting.start()
    try:
        yield
    finally:
        exporting.stop()
