"""Refuse requests whose query has a parameter that the route doesn't accept, or that is given more than once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute

from millrace_platform.context import route_template
from millrace_platform.errors import FieldError, Unprocessable

MAX_ERRORS: Final = 10
"""Errors in a response: each lists the accepted parameters, so a short query of many could ask for megabytes."""
MAX_NAME_LENGTH: Final = 100
"""Characters of an unknown parameter's name that the response repeats."""


@dataclass(frozen=True, slots=True)
class AcceptedQuery:
    """The names of the query parameters that a route accepts. Those in `lists` can be given more than once."""

    names: dict[str, None]
    lists: frozenset[str]

    @classmethod
    def of(cls, dependant: Dependant) -> "AcceptedQuery":
        """Return the parameters of an endpoint and its dependencies."""
        found = dict(_declared(dependant))
        return cls(dict.fromkeys(found), frozenset(name for name, annotation in found.items() if is_list(annotation)))

    def check(self, query: QueryParams) -> None:
        """Raise `Unprocessable` with an error for each unknown parameter and each one that is repeated."""
        items = query.multi_items()
        if len(items) == len(query) and query.keys() <= self.names.keys():
            return
        if errors := list(islice(self._errors(Counter(name for name, _ in items)), MAX_ERRORS)):
            raise Unprocessable(errors=errors)

    def _errors(self, counts: Mapping[str, int]) -> Iterator[FieldError]:
        for name, count in counts.items():
            if name not in self.names:
                yield FieldError(
                    field=name[:MAX_NAME_LENGTH],
                    detail="This request has no such query parameter.",
                    remedy=self._remedy(name),
                )
            elif count > 1 and name not in self.lists:
                yield FieldError(
                    field=name, detail="The query parameter is given more than once.", remedy="Give it once."
                )

    def _remedy(self, name: str) -> str:
        if not self.names:
            return "Remove it; this request accepts no query parameters."
        similar = get_close_matches(name[:MAX_NAME_LENGTH], self.names, n=1)
        advice = f"Did you mean {similar[0]}?" if similar else "Remove it."
        return f"{advice} Accepted are {', '.join(self.names)}."


class QueryCheck:
    """A dependency of all routes of an application that checks the query of each request.

    Plain routes of Starlette, such as the health endpoints, have no dependencies and so accept any query.
    """

    def __init__(self) -> None:
        self._accepted: dict[tuple[str, str], AcceptedQuery] = {}

    def add_routes(self, routes: Iterable[BaseRoute]) -> None:
        """Learn the parameters of the application's routes; call it when all of them are added."""
        for context in iter_route_contexts(list(routes)):
            if isinstance(context.original_route, APIRoute):
                accepted = AcceptedQuery.of(context.dependant)
                self._accepted |= {(method, str(context.path_format)): accepted for method in context.methods or ()}

    async def __call__(self, request: Request) -> None:
        self._accepted[request.method, route_template(request.scope)].check(request.query_params)


def is_list(annotation: Any) -> bool:
    """Return whether a parameter of this type takes several values, i.e. is a list or an optional list."""
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _declared(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """Yield the name and type of each query parameter; the fields of a model are parameters of their own."""
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, each in annotation.model_fields.items():
                yield each.alias or name, each.annotation
        else:
            yield field.alias, annotation
    for dependency in dependant.dependencies:
        yield from _declared(dependency)
