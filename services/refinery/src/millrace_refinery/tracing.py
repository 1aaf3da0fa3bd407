"""The refinery's place in a change's trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan
from opentelemetry.util.types import Attributes

from millrace_contracts.envelope import Envelope
from millrace_feeds.tracing import context_of, current_traceparent

_tracer = trace.get_tracer("millrace.refinery")
_SAMPLED = "1"


@contextmanager
def refine_span(envelope: Envelope) -> Iterator[str | None]:
    """A span over the cleaning of one change, below the span that wrote it and linked to the batch it was read with.

    Yields the `traceparent` to go on with. A change that isn't traced costs nothing and keeps what it had.
    """
    traceparent = envelope.traceparent
    origin = context_of(traceparent) if traceparent is not None and traceparent.endswith(_SAMPLED) else None
    if origin is None:
        yield traceparent
        return
    batch = trace.get_current_span().get_span_context()
    parent = trace.set_span_in_context(NonRecordingSpan(origin))
    links = [Link(batch)] if batch.is_valid else []
    attributes: Attributes = {"millrace.subject": envelope.subject, "millrace.version": envelope.entityversion}
    with _tracer.start_as_current_span(f"refine {envelope.entity}", parent, attributes=attributes, links=links):
        yield current_traceparent()
