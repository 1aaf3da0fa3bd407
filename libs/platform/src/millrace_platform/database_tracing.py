"""Record spans of database statements: the text with its placeholders, never the values."""

from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext, ExecutionContext


def trace_statements(engine: Engine, tracer: Tracer) -> None:
    """Make the tracer record a span for each statement that the engine executes."""

    def before(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        operation = statement.split(None, 1)[0].upper()
        attributes = {"db.system.name": "postgresql", "db.operation.name": operation, "db.query.text": statement}
        context.millrace_span = tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)

    def after(
        _connection: Any, _cursor: Any, _statement: str, _values: Any, context: ExecutionContext, _many: bool
    ) -> None:
        _end(context)

    def failed(failure: ExceptionContext) -> None:
        _end(failure.execution_context, getattr(failure.original_exception, "sqlstate", None) or "unknown")

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def _end(context: ExecutionContext | None, error: str | None = None) -> None:
    span: Span | None = getattr(context, "millrace_span", None)
    if span is None:
        return
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
