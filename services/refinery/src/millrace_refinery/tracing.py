"""Record the trace spans of the refinery."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan
from opentelemetry.util.types import Attributes

from millrace_contracts.envelope import Envelope
from millrace_feeds.tracing import current_traceparent, parse_traceparent

_tracer = trace.get_tracer("millrace.refinery")
_SAMPLED = "1"


@contextmanager
def refine_span(envelope: Envelope) -> Iterator[str | None]:
    """Trace the cleaning of a change: a child of the span that published it, linked to the span of the batch.

    Yields the `traceparent` for the cleaned event. Without sampling it is the change's own, and no span is recorded.
    """
    traceparent = envelope.traceparent
    origin = parse_traceparent(traceparent) if traceparent is not None and traceparent.endswith(_SAMPLED) else None
    if origin is None:
        yield traceparent
        return
    batch = trace.get_current_span().get_span_context()
    parent = trace.set_span_in_context(NonRecordingSpan(origin))
    links = [Link(batch)] if batch.is_valid else []
    attributes: Attributes = {"millrace.subject": envelope.subject, "millrace.version": envelope.entityversion}
    with _tracer.start_as_current_span(f"refine {envelope.entity}", parent, attributes=attributes, links=links):
        yield current_traceparent()
