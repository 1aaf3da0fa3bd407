"""Serve the busiest endpoints by plain Starlette routes, while FastAPI describes them in OpenAPI."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from fastapi import APIRouter, FastAPI, Request, Response, params
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from millrace_platform.problems import is_json

Errors: TypeAlias = list[Mapping[str, Any]]
"""Validation errors of Pydantic; each location begins with the part of the request, `query` or `body`."""
Resolver: TypeAlias = Callable[[Request, Errors], Awaitable[Any]]
"""Returns a parameter's value; if that is invalid, adds to the errors and returns None. May raise problems."""


class TypedRoute(Route):
    """A Starlette route that names itself in the scope, as FastAPI's routes do; logs and spans read it there."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store this route in the scope and respond to the request."""
        scope["route"] = self
        await super().handle(scope, receive, send)


class TypedRouter(APIRouter):
    """A FastAPI router whose endpoints are also available as Starlette routes, which cost a fraction (decision 0018).

    Endpoints are `async def endpoint(...) -> Response` without path parameters. A parameter is a `Request`, a model as
    `Query()`, an optional string as `Header()`, a model as the JSON body, or a dependency with such parameters except a
    body; anything else raises `TypeError` when the route is added. If a query parameter that isn't a list is repeated,
    the last value counts. Add the router to an application with `include`.
    """

    def __init__(self, *, prefix: str = "", tags: list[str] | None = None) -> None:
        super().__init__(prefix=prefix, tags=[*(tags or ())])
        self.typed_routes: list[TypedRoute] = []

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add the endpoint for FastAPI's OpenAPI document and as a Starlette route."""
        super().add_api_route(path, endpoint, **options)
        full_path = self.prefix + path
        if "{" in full_path:
            raise TypeError(f"{endpoint.__name__}: typed routes have no path parameters")
        self.typed_routes.append(TypedRoute(full_path, typed_endpoint(endpoint), methods=options["methods"]))


def include(app: FastAPI, router: APIRouter) -> None:
    """Add a router to an application; the Starlette routes of a `TypedRouter` come first, so that they are matched."""
    if isinstance(router, TypedRouter):
        app.router.routes.extend(router.typed_routes)
    app.include_router(router)


def typed_endpoint(endpoint: Callable[..., Any]) -> Callable[[Request], Awaitable[Response]]:
    """Return a function that calls the endpoint with the parameters read from a request.

    The function raises `RequestValidationError` for an invalid request, with the errors that FastAPI would report.
    """
    types = _parameter_types(endpoint)
    bodies = {name: annotation for name, annotation in types.items() if _is_model(annotation)}
    if len(bodies) > 1:
        raise TypeError(f"{endpoint.__name__}: typed routes have one body at most")
    body_name, body_model = next(iter(bodies.items()), ("", None))
    resolvers = {name: _resolver(name, annotation) for name, annotation in types.items() if name not in bodies}

    async def handle(request: Request) -> Response:
        values: dict[str, Any] = {}
        errors: Errors = []
        content = b"" if body_model is None else await request.body()
        body_errors: Errors = []
        if body_model is not None:
            values[body_name] = _parse_body(request, body_model, content, body_errors)
        for name, resolve in resolvers.items():
            values[name] = await resolve(request, errors)
        errors += body_errors
        if errors:
            raise RequestValidationError(errors, body=content)
        response: Response = await endpoint(**values)
        return response

    return handle


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
        raise RequestValidationError([{**problem, "ctx": {"error": error.msg}}]) from None
    except (UnicodeError, RecursionError) as error:
        raise HTTPException(400) from error
    except ValidationError as error:
        errors += _located(error, "body")
        return None


def _located(error: ValidationError, part: str) -> Errors:
    return [{**each, "loc": (part, *each["loc"])} for each in error.errors(include_url=False)]


def _parameter_types(call: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(call if hasattr(call, "__code__") else type(call).__call__, include_extras=True)
    hints.pop("return", None)
    return hints


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _resolver(name: str, annotation: Any) -> Resolver:
    if isinstance(annotation, type) and issubclass(Request, annotation):
        return _resolve_request
    if get_origin(annotation) is Annotated:
        kind, *extras = get_args(annotation)
        for extra in extras:
            if isinstance(extra, params.Depends) and extra.dependency is not None:
                return _dependency_resolver(extra.dependency)
            if isinstance(extra, params.Header):
                return _header_resolver(extra.alias or name.replace("_", "-"))
            if isinstance(extra, params.Query) and _is_model(kind):
                return _query_resolver(kind)
    raise TypeError(f"typed routes don't support the parameter {name}: {annotation}")


async def _resolve_request(request: Request, _errors: Errors) -> Request:
    return request


def _dependency_resolver(dependency: Callable[..., Any]) -> Resolver:
    resolvers = {name: _resolver(name, each) for name, each in _parameter_types(dependency).items()}

    async def resolve(request: Request, errors: Errors) -> Any:
        own_errors: Errors = []
        values = {name: await each(request, own_errors) for name, each in resolvers.items()}
        if own_errors:
            errors += own_errors
            return None
        return await dependency(**values)

    return resolve


def _header_resolver(name: str) -> Resolver:
    async def resolve(request: Request, _errors: Errors) -> str | None:
        return request.headers.get(name)

    return resolve


def _query_resolver(model: type[BaseModel]) -> Resolver:
    lists = [field.alias or name for name, field in model.model_fields.items() if get_origin(field.annotation) is list]

    async def resolve(request: Request, errors: Errors) -> BaseModel | None:
        values = request.query_params
        try:
            return model.model_validate({**values, **{name: values.getlist(name) for name in lists if name in values}})
        except ValidationError as error:
            errors += _located(error, "query")
            return None

    return resolve
