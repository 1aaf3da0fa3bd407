"""Routes for endpoints that are asked most: described like any other, answered in half the time."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from fastapi import HTTPException, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import Message, Receive, Scope, Send

Resolver: TypeAlias = Callable[[Request], Awaitable[Any]]

_NOT_ALLOWED = 405
_JSON = "application/json"


class DirectRoute(APIRoute):
    """For `async def endpoint(…) -> Response`, whose parameters are known by their types alone.

    They are `Request`, a model as `Query()`, an optional text as `Header()`, a model as the JSON body, and dependencies
    with such parameters but no body; the path has none. Anything else is refused with a `TypeError` when the route is
    made. FastAPI's own handler finds that out anew for each request, and keeps stacks of what to close. The description
    of the API follows from the signature as ever. A parameter of the query that is given twice counts as the last one;
    a body that isn't good is told of by FastAPI's own handler.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        types = _types(endpoint)
        bodies = {name: each for name, each in types.items() if _is_model(each)}
        if len(bodies) > 1 or "{" in path:
            raise TypeError(f"{endpoint.__name__} takes more than one body, or something of its path")
        self._body: tuple[str, type[BaseModel]] | None = next(iter(bodies.items()), None)
        self._resolvers = {name: _resolver(name, each) for name, each in types.items() if name not in bodies}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = self.methods or set()
        if scope["method"] not in methods:
            raise HTTPException(_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(methods))})
        request = Request(scope, receive)
        values: dict[str, Any] = {}
        if self._body is not None:
            name, model = self._body
            content = await request.body()
            try:
                if request.headers.get("content-type") != _JSON:
                    raise ValueError
                values[name] = model.model_validate_json(content)
            except ValueError:  # pydantic's errors are such
                await super().handle(scope, _sent_again(content), send)
                return
        for parameter, resolve in self._resolvers.items():
            values[parameter] = await resolve(request)
        response: Response = await self.endpoint(**values)
        await response(scope, receive, send)


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
    async def resolve(request: Request) -> BaseModel:
        try:
            return model.model_validate(dict(request.query_params))
        except ValidationError as error:
            errors: list[Mapping[str, Any]] = [*error.errors(include_url=False)]
            raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in errors]) from error

    return resolve


def _sent_again(content: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive
