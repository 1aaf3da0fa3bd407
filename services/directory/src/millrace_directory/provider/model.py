"""A provider and its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from millrace_directory.model import DomainEvent, State
from millrace_directory.rules import Violation, check_npi, check_taxonomy
from millrace_reference.languages import find_language


@dataclass(frozen=True, slots=True)
class ProviderDeleted(DomainEvent):
    """Domain event: a provider was deleted; the provider's provider-locations are to be deleted too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(State):
    """A person who sees patients. `taxonomies` are NUCC codes, `taxonomy` the primary one; `languages` are sorted."""

    identity: ClassVar[tuple[str, ...]] = ("npi",)

    npi: str
    last_name: str
    first_name: str
    taxonomy: str
    middle_name: str | None = None
    suffix: str | None = None
    credential: str | None = None
    sex: Literal["F", "M", "X"] | None = None
    taxonomies: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def violations(self) -> Iterator[Violation]:
        yield from check_npi("npi", self.npi)
        yield from check_taxonomy("taxonomy", self.taxonomy)
        for index, code in enumerate(self.taxonomies):
            if code != self.taxonomy:
                yield from check_taxonomy(f"taxonomies[{index}]", code)
        for index, code in enumerate(self.languages):
            if find_language(code) is None:
                yield Violation(f"languages[{index}]", "Not a known language.", "Send ISO 639-1 codes such as 'es'.")

    def domain_events(self, after: Self | None) -> Iterator[DomainEvent]:
        if after is None:
            yield ProviderDeleted(self.npi)
