"""Base class and fields that several REST resources share."""

from typing import Annotated, ClassVar

from pydantic import Field

from millrace_directory.insurance_plan.model import FIRST_YEAR, LAST_YEAR
from millrace_platform import resources
from millrace_platform.patterns import PLAN_ID, Pattern

PlanId = Annotated[
    str,
    PLAN_ID,
    Field(
        description="HIOS plan id (14 characters), or your own identifier of letters, digits, `.`, `_` and `-`.",
    ),
]
Year = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)]
Taxonomy = Annotated[
    str,
    Pattern(r"^[0-9A-Z]{10}$", "Give a NUCC code of ten digits and capital letters, such as 207Q00000X."),
    Field(description="NUCC provider taxonomy code."),
]


class Body(resources.Body):
    """Base of request bodies: the whole writable state."""

    read_only: ClassVar[frozenset[str]] = frozenset({"version"})
