"""Serve the busiest endpoints without FastAPI's router, while FastAPI describes them in OpenAPI."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from fastapi import APIRouter, Request, Response, params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from millrace_platform.json_input import require_unicode
from millrace_platform.problems import invalid_request, is_json, unreadable_body
from millrace_platform.query import AcceptedQuery, is_list

Errors: TypeAlias = list[Mapping[str, Any]]
"""Validation errors of Pydantic; each location begins with the part of the request, `query` or `body`."""
Reader: TypeAlias = Callable[[Request, Errors], Any]
"""Returns a parameter's value; if that is invalid, adds to the errors and returns None."""


class TypedRouter(APIRouter):
    """A FastAPI router whose endpoints are served by `TypedRoutes`, at a fraction of the cost (decision 0018).

    Endpoints are `async def endpoint(...) -> Response` without path parameters. A parameter is a `Request`, a model as
    `Query()`, an optional string as `Header()`, a model as the JSON body, or a dependency with such parameters except a
    body; anything else raises `TypeError` when the route is added.
    """

    def __init__(self, *, prefix: str = "", tags: list[str] | None = None) -> None:
        super().__init__(prefix=prefix, tags=[*(tags or ())])
        self.typed_routes: dict[tuple[str, str], TypedRoute] = {}

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add the endpoint to FastAPI's OpenAPI document and to the typed routes."""
        super().add_api_route(path, endpoint, **options)
        described = self.routes[-1]
        assert isinstance(described, APIRoute)  # noqa: S101 # what `add_api_route` adds
        route = TypedRoute(self.prefix + path, endpoint, AcceptedQuery.of(described.dependant))
        self.typed_routes |= {(method, route.path_format): route for method in options["methods"]}


class TypedRoutes:
    """The innermost middleware: serves requests to typed routes, and passes all others to FastAPI.

    Requests with another method or with any difference in the path are FastAPI's, which knows the same endpoints.
    """

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes: dict[tuple[str, str], TypedRoute] = {}
        for router in routers:
            self._routes |= router.typed_routes if isinstance(router, TypedRouter) else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (route or self._app)(scope, receive, send)


class TypedRoute:
    """An ASGI application that calls an endpoint with the parameters read from a request.

    Logs and spans read `path_format` from the scope's route. Raises the problem that FastAPI's route would respond
    with if the request is invalid or its query isn't accepted.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], accepted: AcceptedQuery) -> None:
        self.path_format = path
        self._accepted = accepted
        self._endpoint = endpoint
        self._parameters = _Parameters(endpoint)
        if "{" in path:
            raise TypeError(f"{endpoint.__name__}: typed routes have no path parameters")
        if len(self._parameters.bodies) > 1:
            raise TypeError(f"{endpoint.__name__}: typed routes have one body at most")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        request = Request(scope, receive, send)
        content = b""
        values: dict[str, Any] = {}
        body_errors: Errors = []
        for name, model in self._parameters.bodies.items():
            content = await request.body()
            values[name] = _parse_body(request, model, content, body_errors)
        self._accepted.check(request.query_params)
        require_unicode(content)
        errors: Errors = []
        await self._parameters.read(request, values, errors)
        errors += body_errors
        if errors:
            raise invalid_request(request, errors, content)
        response: Response = await self._endpoint(**values)
        await response(scope, receive, send)


class _Parameters:
    """The parameters of an endpoint or a dependency, by how their values are found."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.bodies: dict[str, type[BaseModel]] = {}
        self._readers: list[tuple[str, Reader]] = []
        self._dependencies: list[tuple[str, Callable[..., Any], _Parameters]] = []
        hints = get_type_hints(call if hasattr(call, "__code__") else type(call).__call__, include_extras=True)
        hints.pop("return", None)
        for name, annotation in hints.items():
            if _is_model(annotation):
                self.bodies[name] = annotation
            elif (dependency := _dependency(annotation)) is not None:
                parameters = _Parameters(dependency)
                if parameters.bodies:
                    raise TypeError(f"typed routes don't support a body in a dependency: {name}")
                self._dependencies.append((name, dependency, parameters))
            else:
                self._readers.append((name, _reader(name, annotation)))

    async def read(self, request: Request, values: dict[str, Any], errors: Errors) -> None:
        """Add the values of all parameters except bodies. A dependency with invalid parameters isn't called."""
        for name, read in self._readers:
            values[name] = read(request, errors)
        for name, dependency, parameters in self._dependencies:
            own_values: dict[str, Any] = {}
            own_errors: Errors = []
            await parameters.read(request, own_values, own_errors)
            if own_errors:
                errors += own_errors
            else:
                values[name] = await dependency(**own_values)


def _parse_body(request: Request, model: type[BaseModel], content: bytes, errors: Errors) -> BaseModel | None:
    if request.headers.get("content-type") == "application/json":
        try:
            return model.model_validate_json(content)
        except ValidationError:
            pass  # reported below as FastAPI reports it, from the decoded value
    if not content:
        errors.append({"type": "missing", "loc": ("body",), "msg": "Field required"})
        return None
    if not is_json(request):
        errors.append({"type": "model_attributes_type", "loc": ("body",), "msg": "Not JSON"})
        return None
    try:
        return model.model_validate(json.loads(content))
    except json.JSONDecodeError as error:
        problem = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise invalid_request(request, [{**problem, "ctx": {"error": error.msg}}], content) from None
    except ValidationError as error:
        errors += _located(error, "body")
        return None
    except (ValueError, RecursionError) as error:
        raise unreadable_body() from error


def _located(error: ValidationError, part: str) -> Errors:
    return [{**each, "loc": (part, *each["loc"])} for each in error.errors(include_url=False)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _dependency(annotation: Any) -> Callable[..., Any] | None:
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((each.dependency for each in extras if isinstance(each, params.Depends)), None)


def _reader(name: str, annotation: Any) -> Reader:
    if isinstance(annotation, type) and issubclass(Request, annotation):
        return lambda request, _errors: request
    if get_origin(annotation) is Annotated:
        kind, *extras = get_args(annotation)
        for extra in extras:
            if isinstance(extra, params.Header):
                header = extra.alias or name.replace("_", "-")
                return lambda request, _errors: request.headers.get(header)
            if isinstance(extra, params.Query) and _is_model(kind):
                return _query_reader(kind)
    raise TypeError(f"typed routes don't support the parameter {name}: {annotation}")


def _query_reader(model: type[BaseModel]) -> Reader:
    lists = [field.alias or name for name, field in model.model_fields.items() if is_list(field.annotation)]

    def read(request: Request, errors: Errors) -> BaseModel | None:
        values = request.query_params
        try:
            return model.model_validate({**values, **{name: values.getlist(name) for name in lists if name in values}})
        except ValidationError as error:
            errors += _located(error, "query")
            return None

    return read
