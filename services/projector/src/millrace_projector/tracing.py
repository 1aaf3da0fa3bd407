"""Trace spans of the projector, one for each change: a child of the span that published it, linked to the batch's."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, Span
from opentelemetry.util.types import Attributes

from millrace_contracts.envelope import Envelope
from millrace_feeds.tracing import parse_traceparent

_tracer = trace.get_tracer("millrace.projector")
_SAMPLED = "1"


@contextmanager
def trace_projection(envelopes: Iterable[Envelope]) -> Iterator[list[Span]]:
    """Open a span for each sampled change of a batch while the block applies the batch; yield these spans."""
    batch = trace.get_current_span().get_span_context()
    links = [Link(batch)] if batch.is_valid else []
    spans: list[Span] = []
    for envelope in envelopes:
        traceparent = envelope.traceparent
        origin = parse_traceparent(traceparent) if traceparent is not None and traceparent.endswith(_SAMPLED) else None
        if origin is not None:
            parent = trace.set_span_in_context(NonRecordingSpan(origin))
            attributes: Attributes = {"millrace.subject": envelope.subject, "millrace.version": envelope.entityversion}
            spans.append(_tracer.start_span(f"project {envelope.entity}", parent, attributes=attributes, links=links))
    try:
        yield spans
    except BaseException as error:
        for span in spans:
            span.record_exception(error)
        raise
    finally:
        for span in spans:
            span.end()


@contextmanager
def trace_write(projections: Iterable[Span]) -> Iterator[None]:
    """Open a child of each of the given spans while the block writes to the read model."""
    spans = [
        _tracer.start_span("write read model", trace.set_span_in_context(span), attributes={"db.system": "redis"})
        for span in projections
    ]
    try:
        yield
    finally:
        for span in spans:
            span.end()
