"""Constrain strings of requests to a form, with a remedy in plain words."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class Pattern:
    """Annotates a string that must match `regex` completely; clients read only the remedy, e.g. `Give two letters.`.

    Stands after other constraints in `Annotated`, which apply first.
    """

    regex: str
    remedy: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.regex}

    def _check(self, value: str) -> str:
        if re.fullmatch(self.regex, value) is None:
            raise PydanticCustomError("pattern", "The text has the wrong form.", {"remedy": self.remedy})
        return value


SINGLE_LINE = Pattern(r"^[^\x00-\x1f\x7f]+$", "Give a single line of text without control characters.")
"""No control characters: names and addresses have none, and PostgreSQL rejects NUL."""
SLUG = Pattern(r"^[a-z0-9]+(-[a-z0-9]+)*$", "Give lower-case letters and digits, with hyphens between words.")
LANGUAGE = Pattern(r"^[a-z]{2}$", "Give an ISO 639-1 code of two lower-case letters, such as es.")
STATE = Pattern(r"^[A-Z]{2}$", "Give the USPS code of two capital letters, such as NY.")
PLAN_ID = Pattern(
    r"^[A-Za-z0-9._-]{1,64}$", "Give 1 to 64 letters, digits, dots, underscores and hyphens, such as 11512NC0100031."
)
