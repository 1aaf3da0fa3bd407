"""Field types that accept only what their JSON schema allows; pydantic's own types accept more."""

from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _reject_number(value: Any) -> Any:
    """Reject a number, which pydantic would accept as seconds since 1970."""
    if isinstance(value, int | float):
        raise PydanticCustomError("date_type", "It is a number.", {"remedy": "Give a date as YYYY-MM-DD."})
    return value


Date: TypeAlias = Annotated[date, BeforeValidator(_reject_number)]
"""A date as YYYY-MM-DD."""
