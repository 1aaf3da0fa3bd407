"""Providers as REST resources."""

from typing import Annotated, Literal

from pydantic import Field

from millrace_directory.provider.model import Provider
from millrace_directory.schemas import Body, Taxonomy
from millrace_platform.patterns import LANGUAGE
from millrace_platform.resources import Npi, Schema, Text, Version

Language = Annotated[str, LANGUAGE]


class _Fields(Schema):
    npi: Npi = Field(examples=["1679576722"])
    last_name: Text = Field(examples=["O'Connell-Ruiz"])
    first_name: Text = Field(examples=["Maria"])
    middle_name: Text | None = None
    suffix: Text | None = Field(None, examples=["Jr."])
    credential: Text | None = Field(None, examples=["MD"])
    sex: Literal["F", "M", "X"] | None = None
    taxonomy: Taxonomy = Field(description="The primary NUCC taxonomy code.", examples=["207Q00000X"])
    taxonomies: list[Taxonomy] = Field(
        [], max_length=15, description="All codes; the primary one is added if it is missing."
    )
    languages: list[Language] = Field([], max_length=32, description="ISO 639-1 codes.", examples=[["en", "es"]])


class ProviderBody(_Fields, Body):
    """The whole state of a provider."""

    def state(self) -> Provider:
        values = self.model_dump(exclude={"taxonomies", "languages"})
        taxonomies = dict.fromkeys((self.taxonomy, *self.taxonomies))
        return Provider(**values, taxonomies=tuple(taxonomies), languages=tuple(sorted(set(self.languages))))


class ProviderResource(_Fields):
    """Stored provider with its version."""

    version: Version
