"""The trace of a change includes the write to the read model."""

import contextlib

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from millrace_contracts.envelope import Envelope, decode
from millrace_projector import tracing
from millrace_projector.tracing import trace_projection, trace_write

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def envelope(traceparent: str | None) -> Envelope:
    head = (
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"provider/1","time":"now","dataschema":"d",'
    )
    tail = b'"partitionkey":"provider/1","entityversion":3,"data":null%s}'
    return decode(head + tail % (b',"traceparent":"%s"' % traceparent.encode() if traceparent else b""))


async def test_each_sampled_change_gets_spans(exported: InMemorySpanExporter) -> None:
    changes = [envelope(f"00-{TRACE}-b7ad6b7169203331-01"), envelope(f"00-{TRACE}-b7ad6b7169203331-00"), envelope(None)]
    with (
        TracerProvider().get_tracer("batch").start_as_current_span("batch") as batch,
        trace_projection(changes) as projections,
        trace_write(projections),
    ):
        pass
    write, project = exported.get_finished_spans()
    assert (project.name, write.name) == ("project provider", "write read model")
    assert project.parent is not None
    assert write.parent is not None
    assert trace.format_trace_id(project.context.trace_id) == TRACE
    assert trace.format_span_id(project.parent.span_id) == "b7ad6b7169203331"
    assert write.parent.span_id == project.context.span_id
    assert [link.context for link in project.links] == [batch.get_span_context()]


async def test_failure_is_recorded_in_the_trace(exported: InMemorySpanExporter) -> None:
    with (
        contextlib.suppress(ConnectionError),
        trace_projection([envelope(f"00-{TRACE}-b7ad6b7169203331-01")]) as projections,
        trace_write(projections),
    ):
        raise ConnectionError("unavailable")
    *_, project = exported.get_finished_spans()
    assert [event.name for event in project.events] == ["exception"]
