"""Trace spans of the projector: each is a child of the span that published the change, linked to the batch's span."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext
from opentelemetry.util.types import Attributes

from millrace_contracts.envelope import Envelope
from millrace_feeds.tracing import parse_traceparent

_tracer = trace.get_tracer("millrace.projector")
_SAMPLED = "1"


class Projection:
    """Context manager that opens a span for each sampled change of a batch while the batch is projected."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self._envelopes = envelopes
        self._spans: list[Span] = []

    def __enter__(self) -> Self:
        batch = trace.get_current_span().get_span_context()
        for envelope in self._envelopes:
            if envelope.traceparent is not None and envelope.traceparent.endswith(_SAMPLED):
                origin = parse_traceparent(envelope.traceparent)
                if origin is not None:
                    self._spans.append(_start_span(envelope, origin, batch))
        return self

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Context manager that adds a span for the write to the read model to each change's trace."""
        spans = [
            _tracer.start_span("write read model", trace.set_span_in_context(span), attributes={"db.system": "redis"})
            for span in self._spans
        ]
        try:
            yield
        finally:
            for span in spans:
                span.end()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for span in self._spans:
            if error is not None:
                span.record_exception(error)
            span.end()


def _start_span(envelope: Envelope, origin: SpanContext, batch: SpanContext) -> Span:
    attributes: Attributes = {"millrace.subject": envelope.subject, "millrace.version": envelope.entityversion}
    return _tracer.start_span(
        f"project {envelope.entity}",
        trace.set_span_in_context(NonRecordingSpan(origin)),
        attributes=attributes,
        links=[Link(batch)] if batch.is_valid else [],
    )
