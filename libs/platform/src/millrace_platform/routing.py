"""Routes for endpoints that are asked most: described like any other, answered in half the time."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from fastapi import Request, Response, params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_platform.context import EFFECTIVE_ROUTE
from millrace_platform.errors import problem_of_status

Resolver: TypeAlias = Callable[[Request], Awaitable[Any]]

_JSON = "application/json"


class DirectRoute(APIRoute):
    """For `async def endpoint(…) -> Response`, whose parameters are known by their types alone.

    They are `Request`, a model as `Query()`, an optional text as `Header()`, a model as the JSON body, and dependencies
    with such parameters but no body; the path has none. Anything else is refused with a `TypeError` when the route is
    made. The description of the API follows from the signature as ever. A parameter of the query that is given twice
    counts as the last one, unless it is a list. It needs `DirectRoutes`: without them, and for what isn't valid, it is
    a route like others.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        types = _types(endpoint)
        bodies = {name: each for name, each in types.items() if _is_model(each)}
        if len(bodies) > 1 or "{" in path:
            raise TypeError(f"{endpoint.__name__} takes more than one body, or something of its path")
        self._body: tuple[str, type[BaseModel]] | None = next(iter(bodies.items()), None)
        self._resolvers = {name: _resolver(name, each) for name, each in types.items() if name not in bodies}

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """None once it is answered. A request that isn't valid is to be received from what is returned, once more."""
        request = Request(scope, receive)
        values: dict[str, Any] = {}
        if self._body is not None:
            name, model = self._body
            try:
                content = await request.body()
            except HTTPException as error:
                raise problem_of_status(error.status_code, error.detail) from None
            receive = _sent_again(content)
            if request.headers.get("content-type") != _JSON:
                return receive
            try:
                values[name] = model.model_validate_json(content)
            except ValidationError:
                return receive
        try:
            for parameter, resolve in self._resolvers.items():
                values[parameter] = await resolve(request)
        except ValidationError:
            return receive
        response: Response = await self.endpoint(**values)
        await response(scope, receive, send)
        return None


class DirectRoutes:
    """The innermost layer: asks the application's direct routes, and the application for everything else.

    FastAPI looks a request's route and dependencies up anew each time, and keeps stacks of what to close. It is its
    handlers that tell what isn't valid.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._routes: Mapping[tuple[str, str], tuple[DirectRoute, RouteContext]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._routes is None:
                self._routes = dict(_direct_routes(scope["app"].routes))
            found = self._routes.get((scope["method"], scope["path"]))
            if found is not None:
                route, context = found
                # Where FastAPI keeps it: the layers around share it, also those that see another scope (HEAD).
                shared = scope.setdefault("fastapi", {})
                shared[EFFECTIVE_ROUTE] = context
                again = await route.answer(scope, receive, send)
                if again is None:
                    return
                del shared[EFFECTIVE_ROUTE]
                receive = again
        await self._app(scope, receive, send)


def _direct_routes(routes: Sequence[BaseRoute]) -> Iterator[tuple[tuple[str, str], tuple[DirectRoute, RouteContext]]]:
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, DirectRoute) and context.path is not None:
            for method in route.methods or ():
                yield (method, context.path), (route, context)


def _types(call: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(call if hasattr(call, "__code__") else type(call).__call__, include_extras=True)
    hints.pop("return", None)
    return hints


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _resolver(name: str, annotation: Any) -> Resolver:
    if isinstance(annotation, type) and issubclass(Request, annotation):
        return _request
    if get_origin(annotation) is Annotated:
        kind, *extras = get_args(annotation)
        for extra in extras:
            if isinstance(extra, params.Depends) and extra.dependency is not None:
                return _dependency(extra.dependency)
            if isinstance(extra, params.Header):
                return _header(extra.alias or name.replace("_", "-"))
            if isinstance(extra, params.Query) and _is_model(kind):
                return _query(kind)
    raise TypeError(f"a direct route doesn't know what to give {name}: {annotation}")


async def _request(request: Request) -> Request:
    return request


def _dependency(dependency: Callable[..., Any]) -> Resolver:
    resolvers = {name: _resolver(name, each) for name, each in _types(dependency).items()}

    async def resolve(request: Request) -> Any:
        return await dependency(**{name: await each(request) for name, each in resolvers.items()})

    return resolve


def _header(name: str) -> Resolver:
    async def resolve(request: Request) -> str | None:
        return request.headers.get(name)

    return resolve


def _query(model: type[BaseModel]) -> Resolver:
    lists = [field.alias or name for name, field in model.model_fields.items() if get_origin(field.annotation) is list]

    async def resolve(request: Request) -> BaseModel:
        given = request.query_params
        return model.model_validate({**given, **{name: given.getlist(name) for name in lists if name in given}})

    return resolve


def _sent_again(content: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive
