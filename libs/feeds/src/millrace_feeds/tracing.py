"""Propagate traces through feeds: a batch's span links to the traces of its records, or continues a single one."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from millrace_feeds.publish_queue import QueuedRecord
from millrace_feeds.transport import Record

_tracer = trace.get_tracer("millrace.feeds")
_propagator = TraceContextTextMapPropagator()

# The specification's default limit of links per span.
MAX_LINKS = 128
_MARK = b'"traceparent":"'
_LENGTH = 55
_DATA = b'"data":'


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the current span for an envelope; None outside of a span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def find_traceparent(body: bytes) -> str | None:
    """Return the `traceparent` of an encoded envelope, None if it has none; doesn't decode the envelope."""
    start = body.find(_MARK, 0, body.find(_DATA))
    if start < 0:
        return None
    start += len(_MARK)
    return body[start : start + _LENGTH].decode("ascii", "replace")


def parse_traceparent(traceparent: str) -> SpanContext | None:
    """Parse a W3C `traceparent`; return None if it is invalid."""
    context = _propagator.extract({"traceparent": traceparent}, context=Context())
    span_context = trace.get_current_span(context).get_span_context()
    return span_context if span_context.is_valid else None


@contextmanager
def publish_span(stream: str, batch: Sequence[QueuedRecord]) -> Iterator[Span]:
    """Open a span for one put request, linked to the spans that created the records."""
    with _batch_span(
        f"publish {stream}", SpanKind.PRODUCER, stream, len(batch), (record.traceparent for record in batch)
    ) as span:
        yield span


@contextmanager
def handle_span(application: str, records: Sequence[Record]) -> Iterator[Span]:
    """Open a span for one call of a handler, linked to the spans that published the records."""
    stream = records[0].stream
    parents = (find_traceparent(record.body) for record in records)
    with _batch_span(f"{application} handle {stream}", SpanKind.CONSUMER, stream, len(records), parents) as span:
        span.set_attribute("millrace.shard", records[0].shard_id)
        yield span


@contextmanager
def _batch_span(
    name: str, kind: SpanKind, stream: str, size: int, traceparents: Iterable[str | None]
) -> Iterator[Span]:
    if not _is_recording():
        yield trace.INVALID_SPAN
        return
    contexts = _distinct_contexts(traceparents)
    current = trace.get_current_span().get_span_context()
    parent: Context | None = None
    if len(contexts) == 1 and not current.is_valid:
        parent = trace.set_span_in_context(trace.NonRecordingSpan(contexts.pop()))
    attributes: Attributes = {"messaging.destination.name": stream, "messaging.batch.message_count": size}
    links = [Link(context) for context in contexts]
    with _tracer.start_as_current_span(name, parent, kind, attributes, links) as span:
        yield span


def _is_recording() -> bool:
    """Return whether an OpenTelemetry SDK is set up; without one, reading each record's traceparent would be wasted."""
    return not isinstance(trace.get_tracer_provider(), (trace.ProxyTracerProvider, trace.NoOpTracerProvider))


def _distinct_contexts(traceparents: Iterable[str | None]) -> list[SpanContext]:
    texts = dict.fromkeys(text for text in traceparents if text is not None)
    contexts = (parse_traceparent(text) for text in islice(texts, MAX_LINKS))
    return [context for context in contexts if context is not None and context.trace_flags & TraceFlags.SAMPLED]
