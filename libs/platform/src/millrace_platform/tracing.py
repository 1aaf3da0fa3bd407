"""Trace and measure requests by route template, without paths, queries or headers; uses only OpenTelemetry's API."""

from collections.abc import Sequence

from opentelemetry import metrics, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AnyValue
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_platform.context import LongRequest, is_probe, route_template

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the duration histogram in seconds; finer than the default, as a search takes a few milliseconds."""

LONG_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Bounds of the histogram of long requests in seconds."""

SERVER_ERROR = 500

Headers = Sequence[tuple[bytes, bytes]]


def is_recording() -> bool:
    """Return whether an OpenTelemetry SDK is configured; without one, spans are discarded."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


class _HeaderGetter(Getter[Headers]):
    def get(self, carrier: Headers, key: str) -> list[str] | None:
        wanted = key.encode()
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: Headers) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


class Tracing:
    """ASGI middleware that creates a span for each request, in the caller's trace (W3C Trace Context)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tracer = trace.get_tracer("millrace.http")
        self._propagator = TraceContextTextMapPropagator()
        self._getter = _HeaderGetter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope["path"]):
            await self._app(scope, receive, send)
            return
        method: str = scope["method"]
        parent = self._propagator.extract(scope["headers"], getter=self._getter)
        attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
        with self._tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
        ) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _set_status(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                route = route_template(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)


def _set_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= SERVER_ERROR:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


class RequestMeter:
    """Records the metric `http.server.request.duration` of OpenTelemetry's semantic conventions.

    Long polls and streams, which last as long as they are meant to, have a metric of their own.
    """

    def __init__(self) -> None:
        self._duration = metrics.get_meter("millrace.http").create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._long_duration = metrics.get_meter("millrace.http").create_histogram(
            "millrace.http.long.duration",
            unit="s",
            description="Duration of long polls that waited and of streams.",
            explicit_bucket_boundaries_advisory=LONG_BUCKETS,
        )

    def record(self, *, method: str, route: str, status: int, seconds: float, long: LongRequest | None) -> None:
        """Record the duration of one completed request; `long` is its kind if it was meant to last."""
        attributes: dict[str, AnyValue] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        if long is None:
            self._duration.record(seconds, attributes)
        else:
            self._long_duration.record(seconds, {**attributes, "millrace.request.kind": long.value})
