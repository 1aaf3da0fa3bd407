"""Problem responses of the edge itself (RFC 9457)."""

from uuid import uuid4

from starlette.types import ASGIApp, Receive, Scope, Send

from millrace_platform.errors import Problem
from millrace_platform.middleware import ErrorHandling, RequestContext
from millrace_platform.problems import problem_response


def with_problems(app: ASGIApp) -> ASGIApp:
    """Return the application with request ids, HEAD as GET without a body, and a problem for each exception."""
    return RequestContext(ErrorHandling(app), ids=uuid4)


def problem_app(problem: Problem) -> ASGIApp:
    """Return an application that responds to each request with this problem."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await problem_response(problem)(scope, receive, send)

    return with_problems(respond)
