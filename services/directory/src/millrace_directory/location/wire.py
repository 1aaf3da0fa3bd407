"""Locations as the feed carries them, and the address that provider-locations share with them."""

from sqlalchemy import ColumnElement, select

from millrace_contracts.entities import Address, Location
from millrace_contracts.registry import LOCATION
from millrace_directory.location.tables import location
from millrace_directory.practice.tables import practice
from millrace_directory.wire import Kind, Row

_columns = location.c
PLACE: tuple[ColumnElement[object], ...] = (
    _columns.line1,
    _columns.line2,
    _columns.city,
    _columns.state,
    _columns.zip,
    _columns.practice_id,
    practice.c.name.label("practice_name"),
)
"""Columns that `address` and `practice_id` need."""


def address(row: Row) -> Address:
    return Address(line1=row["line1"], line2=row["line2"], city=row["city"], state=row["state"], zip=row["zip"])


def practice_id(row: Row) -> str | None:
    return None if row["practice_id"] is None else str(row["practice_id"])


def entity(row: Row) -> Location:
    return Location(
        id=str(row["id"]),
        address=address(row),
        practice_id=practice_id(row),
        practice_name=row["practice_name"],
        phone=row["phone"],
    )


LOCATIONS = Kind(
    contract=LOCATION,
    query=select(
        _columns.id, _columns.version, _columns.deleted_at.is_not(None).label("deleted"), _columns.phone, *PLACE
    ).select_from(location.outerjoin(practice)),
    key=_columns.id,
    order=(_columns.id,),
    entity=entity,
)
