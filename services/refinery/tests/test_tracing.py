"""The refinery continues the trace of a change."""

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from millrace_feeds.tracing import parse_traceparent
from millrace_refinery import tracing
from millrace_refinery.cleaning import CleanChange, clean_record

from .factories import change, practice, record

ORIGIN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def traceparent_after_cleaning(traceparent: str | None) -> str | None:
    """Clean a change with the given `traceparent`; return that of the result."""
    result = clean_record(record(msgspec.structs.replace(change(practice(), 1), traceparent=traceparent)))
    assert isinstance(result, CleanChange)
    return result.arrival.envelope.traceparent


def test_event_continues_below_the_span_of_its_cleaning(exported: InMemorySpanExporter) -> None:
    onward = parse_traceparent(traceparent_after_cleaning(ORIGIN) or "")
    [span] = exported.get_finished_spans()
    origin = parse_traceparent(ORIGIN)
    assert onward == trace.SpanContext(
        span.context.trace_id, span.context.span_id, is_remote=True, trace_flags=span.context.trace_flags
    )
    assert origin is not None
    assert span.context.trace_id == origin.trace_id
    assert span.parent is not None
    assert span.parent.span_id == origin.span_id
    assert span.name == "refine practice"


@pytest.mark.parametrize("traceparent", [None, ORIGIN[:-1] + "0", "nonsense-01"])
def test_unsampled_change_retains_its_traceparent(exported: InMemorySpanExporter, traceparent: str | None) -> None:
    assert traceparent_after_cleaning(traceparent) == traceparent
    assert exported.get_finished_spans() == ()


def test_without_an_sdk_the_traceparent_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_tracer", trace.NoOpTracerProvider().get_tracer("test"))
    assert traceparent_after_cleaning(ORIGIN) == ORIGIN
