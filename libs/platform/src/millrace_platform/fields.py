"""Types of fields for which pydantic by itself takes more than their JSON schema says."""

from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _is_no_number(value: Any) -> Any:
    """A number would be taken for seconds since 1970."""
    if isinstance(value, int | float):
        raise PydanticCustomError("date_type", "It is a number.", {"remedy": "Give a date as YYYY-MM-DD."})
    return value


Date: TypeAlias = Annotated[date, BeforeValidator(_is_no_number)]
"""A date as YYYY-MM-DD."""
