"""The copy of the patients, and SQL conditions on it for statements that book."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, Column, DateTime, Table, Uuid, and_, or_
from sqlalchemy.dialects.postgresql import insert

from millrace_platform.database import Session
from millrace_platform.statements import Statements, fetch_first
from millrace_scheduling.patient.model import PatientCopy
from millrace_scheduling.tables import metadata

# constants
patients = Table(
    "patients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("may_book", Boolean, nullable=False),
    Column("dependant_ids", ARRAY(Uuid), nullable=False),
    Column("insurance_card_ids", ARRAY(Uuid), nullable=False),
    Column("registered_at", DateTime(timezone=True)),
    CheckConstraint("version > 0", name="version"),
)
"""`registered_at`, when the account began, is null until an event or a replay fills it."""


def owns_dependant(patient_id: str, dependant_id: str) -> str:
    """Return an SQL condition: there is no dependant, or the copy has it as the patient's. Both are SQL expressions."""
    return f"""({dependant_id} IS NULL OR EXISTS (
        SELECT FROM patients WHERE id = {patient_id} AND {dependant_id} = ANY (dependant_ids)))"""


def may_book(patient_id: str, dependant_id: str, insurance_card_id: str) -> str:
    """Return an SQL condition: by the copy, the patient may book a visit for the dependant, with the card, if any."""
    return f"""EXISTS (SELECT FROM patients WHERE id = {patient_id} AND may_book
        AND ({dependant_id} IS NULL OR {dependant_id} = ANY (dependant_ids))
        AND ({insurance_card_id} IS NULL OR {insurance_card_id} = ANY (insurance_card_ids)))"""


def registered_at(patient_id: str) -> str:
    """Return an SQL expression: when the patient's account began by the copy, NULL if it isn't known."""
    return f"(SELECT registered_at FROM patients WHERE id = {patient_id})"  # noqa: S608 # constants


_OWNS_DEPENDANT: Final = f"SELECT {owns_dependant('$1', '$2::uuid')} AS owns_dependant"


async def has_dependant(session: Statements, patient_id: UUID, dependant_id: UUID | None) -> bool:
    """Return whether the copy has the dependant as the patient's; True without a dependant."""
    is_own: bool = (await fetch_first(session, _OWNS_DEPENDANT, patient_id, dependant_id))["owns_dependant"]
    return is_own


async def save_newer(session: Session, consumed: Sequence[PatientCopy]) -> None:
    """Insert or update patients newer than their rows. Each id may occur only once.

    A replay of the row's own version fills what the row doesn't have yet.
    """
    if not consumed:
        return
    # Sorted, so that two consumers can't deadlock while a lease changes hands.
    rows = [asdict(each) for each in sorted(consumed, key=lambda each: each.id)]
    statement = insert(patients)
    newer = {column.name: statement.excluded[column.name] for column in patients.c if column is not patients.c.id}
    upsert = statement.on_conflict_do_update(
        index_elements=[patients.c.id],
        set_=newer,
        where=or_(
            patients.c.version < statement.excluded.version,
            and_(
                patients.c.version == statement.excluded.version,
                patients.c.registered_at.is_distinct_from(statement.excluded.registered_at),
            ),
        ),
    )
    await session.execute(upsert, rows)
