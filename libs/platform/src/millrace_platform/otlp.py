"""Configure OpenTelemetry's SDK with OTLP/HTTP exporters; slow to import, so import it only if telemetry is on."""

import logging
import threading
from collections.abc import Callable
from importlib.metadata import version
from uuid import uuid4

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.types import AnyValue

from millrace_platform.context import request_id
from millrace_platform.logging import describe_exception, extra_fields

EXPORT_SECONDS = 5.0
"""Timeout of one export in seconds."""
STOP_SECONDS = 3.0
"""Timeout of the last export when the process stops, in seconds."""


class TelemetryExporter:
    """Exports the process's traces, metrics and logs to the collector at the URL `endpoint`, e.g. `http://host:4318`.

    Sampling, headers and further resource attributes come from OpenTelemetry's own variables (`OTEL_TRACES_SAMPLER`,
    `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`).
    """

    def __init__(self, endpoint: str, service: str) -> None:
        resource = Resource.create(
            {
                "service.name": service,
                "service.namespace": "millrace",
                "service.version": version("millrace-platform"),
                "service.instance.id": str(uuid4()),
            }
        )
        base = endpoint.rstrip("/")
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces", timeout=EXPORT_SECONDS))
        )
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{base}/v1/metrics", timeout=EXPORT_SECONDS))
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._loggers.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(f"{base}/v1/logs", timeout=EXPORT_SECONDS))
        )

    def start(self) -> None:
        """Install the providers and the log handler in this process."""
        trace.set_tracer_provider(self._tracers)
        metrics.set_meter_provider(self._meters)
        _logs.set_logger_provider(self._loggers)
        logging.getLogger().addHandler(OtlpLogHandler())

    def stop(self) -> None:
        """Flush and shut down the exporters within `STOP_SECONDS`."""
        shutdowns: list[Callable[[], None]] = [self._tracers.shutdown, self._meters.shutdown, self._loggers.shutdown]
        threads = [threading.Thread(target=shutdown, daemon=True) for shutdown in shutdowns]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(STOP_SECONDS)


class OtlpLogHandler(logging.Handler):
    """Exports log records with their extra fields; OpenTelemetry adds the current span."""

    def __init__(self) -> None:
        super().__init__()
        self._logger = _logs.get_logger("millrace")

    def emit(self, record: logging.LogRecord) -> None:
        # Exporting the exporter's own errors would cause further exports.
        if record.name.startswith(("opentelemetry", "urllib3")):
            return
        attributes: dict[str, AnyValue] = {name: _plain(value) for name, value in extra_fields(record).items()}
        attributes["logger"] = record.name
        if (current := request_id.get()) is not None:
            attributes["request_id"] = current
        if record.exc_info and record.exc_info[1] is not None:
            attributes["exception.type"] = type(record.exc_info[1]).__qualname__
            attributes["exception.stacktrace"] = describe_exception(record.exc_info[1])
        self._logger.emit(
            timestamp=int(record.created * 1e9),
            context=get_current(),
            severity_number=_severity(record.levelno),
            severity_text=record.levelname,
            body=record.getMessage(),
            attributes=attributes,
        )


def _plain(value: object) -> AnyValue:
    return value if isinstance(value, str | bool | int | float) else str(value)


def _severity(level: int) -> SeverityNumber:
    if level >= logging.CRITICAL:
        return SeverityNumber.FATAL
    if level >= logging.ERROR:
        return SeverityNumber.ERROR
    if level >= logging.WARNING:
        return SeverityNumber.WARN
    return SeverityNumber.INFO if level >= logging.INFO else SeverityNumber.DEBUG
