"""What the REST resources have in common."""

from typing import Annotated, ClassVar

from pydantic import Field

from millrace_platform import resources

PlanId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="HIOS plan id (14 characters), or an identifier of your own of letters, digits, `.`, `_` and `-`.",
    ),
]
Taxonomy = Annotated[str, Field(pattern=r"^[0-9A-Z]{10}$", description="NUCC provider taxonomy code.")]


class Body(resources.Body):
    """Base of what clients send: the whole writable state."""

    read_only: ClassVar[frozenset[str]] = frozenset({"version"})
