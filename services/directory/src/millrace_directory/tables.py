"""The tables of the aggregates. Columns are derived from the fields of the models; keys and constraints are given."""

from dataclasses import fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.schema import SchemaItem

from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.location.model import Location
from millrace_directory.model import State
from millrace_directory.practice.model import Practice
from millrace_directory.provider.model import Provider
from millrace_directory.provider_location.model import ProviderLocation
from millrace_platform.revocation import define_revocation_table

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)
define_revocation_table(metadata)

KeyText = Text(collation="C")
"""Type of a textual key, compared by bytes so that lists and the snapshot are sorted like the subjects."""
_TYPES: dict[Any, Any] = {str: Text, UUID: Uuid, bool: Boolean}
_ITEM_TYPES: dict[Any, Any] = {str: Text, int: SmallInteger}


def _table(name: str, state: type[State], *items: SchemaItem) -> Table:
    """Return the table of an aggregate: the given columns and constraints, and a column for each other field.

    `version` never decreases; a row with `deleted_at` is a tombstone.
    """
    given = {item.name for item in items if isinstance(item, Column)}
    types = get_type_hints(state)
    names = [field.name for field in fields(state)]  # type: ignore[arg-type] # every State is a dataclass
    return Table(
        name,
        metadata,
        *items,
        *(_column(field, types[field]) for field in names if field not in given),
        Column("version", BigInteger, nullable=False),
        Column("deleted_at", DateTime(timezone=True)),
        CheckConstraint("version > 0", name="version"),
    )


def _column(name: str, hint: Any) -> Column[Any]:
    """Return the column of a field by its type: `T | None` is nullable, `tuple[T, ...]` an array, a literal a text."""
    if get_origin(hint) is tuple:
        return Column(name, ARRAY(_ITEM_TYPES[get_args(hint)[0]]), nullable=False, server_default="{}")
    alternatives = get_args(hint) if NoneType in get_args(hint) else (hint,)
    kind = Text if get_origin(alternatives[0]) is Literal else _TYPES[alternatives[0]]
    return Column(name, kind, nullable=len(alternatives) > 1)


practice = _table("practice", Practice, Column("id", Uuid, primary_key=True), Column("npi", KeyText, unique=True))
location = _table(
    "location",
    Location,
    Column("id", Uuid, primary_key=True),
    Column("practice_id", Uuid, ForeignKey("practice.id"), index=True),
)
provider = _table("provider", Provider, Column("npi", KeyText, primary_key=True))
provider_location = _table(
    "provider_location",
    ProviderLocation,
    Column("id", Uuid, primary_key=True),
    Column("npi", KeyText, ForeignKey("provider.npi"), nullable=False),
    Column("location_id", Uuid, ForeignKey("location.id"), nullable=False, index=True),
    Column("is_pending", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("npi", "location_id"),
    Index(None, "npi", "id"),
)
insurance_plan = _table("insurance_plan", InsurancePlan, Column("id", KeyText, primary_key=True))
