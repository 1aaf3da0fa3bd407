"""Accesses of an audit trail as REST resources, for the person they concern."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Query
from pydantic import Field

from millrace_platform.audit.model import Link
from millrace_platform.authentication import Role
from millrace_platform.resources import Schema

Before: TypeAlias = Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the previous page.")]
AccessLimit: TypeAlias = Annotated[int, Query(ge=1, le=200)]


class AccessResource(Schema):
    """One access to a person's data."""

    seq: int = Field(description="Position in the audit trail.")
    at: datetime
    actor: UUID | None = Field(
        description="Account of the caller; null for the service itself, another patient, and if it is unknown."
    )
    roles: list[str]
    deed: str
    what: str
    purpose: str = Field(description="A code of HL7's PurposeOfUse.")
    source: str | None = Field(description="IPv4 address or IPv6 network of a sign-in; null for other accesses.")

    @classmethod
    def of(cls, link: Link) -> "AccessResource":
        entry = link.entry
        is_another_patient = entry.actor_id != entry.person_id and entry.roles == Role.PATIENT
        return cls(
            seq=link.seq,
            at=link.recorded_at,
            actor=None if is_another_patient else entry.actor_id,
            roles=entry.roles.split(",") if entry.roles else [],
            deed=entry.action.value,
            what=entry.target,
            purpose=entry.purpose.value,
            source=entry.source or None,
        )


class AccessList(Schema):
    """Page of accesses, newest first."""

    items: list[AccessResource]
    next: int | None = Field(description="Pass it as `before` to get the next page; null on the last page.")

    @classmethod
    def of(cls, links: Sequence[Link], limit: int) -> "AccessList":
        """Return the page of up to `limit` entries that a query with this limit returned."""
        return cls(
            items=[AccessResource.of(link) for link in links],
            next=links[-1].seq if len(links) == limit else None,
        )
