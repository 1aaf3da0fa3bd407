"""Traces across feeds: a batch joins many traces, so its span links to them; a batch of one trace continues it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from millrace_feeds.outgoing import Parcel
from millrace_feeds.transport import Record

_tracer = trace.get_tracer("millrace.feeds")
_propagator = TraceContextTextMapPropagator()

# A span keeps 128 links at most by the specification's default limit.
MAX_LINKS = 128
_MARK = b'"traceparent":"'
_LENGTH = 55
_DATA = b'"data":'


def current_traceparent() -> str | None:
    """The running span as a W3C `traceparent` for an envelope, None outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def traceparent_of(body: bytes) -> str | None:
    """An encoded envelope's `traceparent`, without decoding the envelope."""
    start = body.find(_MARK, 0, body.find(_DATA))
    if start < 0:
        return None
    start += len(_MARK)
    return body[start : start + _LENGTH].decode("ascii", "replace")


def context_of(traceparent: str) -> SpanContext | None:
    """The span that a `traceparent` names; None where it isn't one."""
    context = _propagator.extract({"traceparent": traceparent}, context=Context())
    span_context = trace.get_current_span(context).get_span_context()
    return span_context if span_context.is_valid else None


@contextmanager
def publish_span(stream: str, batch: Sequence[Parcel]) -> Iterator[Span]:
    """A span over one put request."""
    with _batch_span(
        f"publish {stream}", SpanKind.PRODUCER, stream, len(batch), (p.traceparent for p in batch)
    ) as span:
        yield span


@contextmanager
def handle_span(application: str, records: Sequence[Record]) -> Iterator[Span]:
    """A span over one call of a handler."""
    stream = records[0].stream
    parents = (traceparent_of(record.body) for record in records)
    with _batch_span(f"{application} handle {stream}", SpanKind.CONSUMER, stream, len(records), parents) as span:
        span.set_attribute("millrace.shard", records[0].shard_id)
        yield span


@contextmanager
def _batch_span(
    name: str, kind: SpanKind, stream: str, size: int, traceparents: Iterable[str | None]
) -> Iterator[Span]:
    if not _recording():
        yield trace.INVALID_SPAN
        return
    contexts = _distinct(traceparents)
    current = trace.get_current_span().get_span_context()
    parent: Context | None = None
    if len(contexts) == 1 and not current.is_valid:
        parent = trace.set_span_in_context(trace.NonRecordingSpan(contexts.pop()))
    attributes: Attributes = {"messaging.destination.name": stream, "messaging.batch.message_count": size}
    links = [Link(context) for context in contexts]
    with _tracer.start_as_current_span(name, parent, kind, attributes, links) as span:
        yield span


def _recording() -> bool:
    """Whether an SDK is set up; without one, reading every record's traceparent would be for nothing."""
    return not isinstance(trace.get_tracer_provider(), (trace.ProxyTracerProvider, trace.NoOpTracerProvider))


def _distinct(traceparents: Iterable[str | None]) -> list[SpanContext]:
    texts: dict[str, None] = {}
    for traceparent in traceparents:
        if traceparent is not None:
            texts[traceparent] = None
            if len(texts) == MAX_LINKS:
                break
    contexts = (context_of(text) for text in texts)
    return [context for context in contexts if context is not None and context.trace_flags & TraceFlags.SAMPLED]
