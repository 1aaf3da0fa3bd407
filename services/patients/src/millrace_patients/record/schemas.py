"""Base schemas of records."""

from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from millrace_patients.record.model import Record
from millrace_platform.resources import Body, Schema, Version

R = TypeVar("R", bound="RecordResource")


class RecordBody(Body):
    """Complete data of a record."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "version"})

    def content(self) -> dict[str, Any]:
        """Return the content to encrypt and store, as plain JSON values."""
        return self.model_dump(mode="json")


class RecordResource(Schema):
    """Record with its id and version."""

    id: UUID
    version: Version

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls.model_validate({**record.content, "id": record.id, "version": record.version})


class RecordList(Schema, Generic[R]):
    """All records of one kind that a patient has."""

    items: list[R]
