"""Export traces, metrics and logs over OTLP/HTTP if `OTEL_EXPORTER_OTLP_ENDPOINT` is set."""

from collections.abc import Iterator
from contextlib import contextmanager

from millrace_platform.settings import PlatformSettings


@contextmanager
def telemetry(settings: PlatformSettings, *, service: str) -> Iterator[None]:
    """Export telemetry until the end of the block, then flush it.

    Use it once per process, around all of its work: OpenTelemetry's providers can't be replaced.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    # Importing the SDK and its exporters takes 60 ms and 20 MB.
    from millrace_platform.otlp import TelemetryExporter  # noqa: PLC0415

    exporter = TelemetryExporter(settings.otlp_endpoint, service)
    exporter.start()
    try:
        yield
    finally:
        exporter.stop()
