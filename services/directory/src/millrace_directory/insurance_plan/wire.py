"""Insurance plans as the feed carries them."""

from sqlalchemy import select

from millrace_contracts.entities import InsurancePlan
from millrace_contracts.registry import INSURANCE_PLAN
from millrace_directory.insurance_plan.tables import insurance_plan
from millrace_directory.wire import Kind, Row


def entity(row: Row) -> InsurancePlan:
    return InsurancePlan(
        id=row["id"],
        name=row["name"],
        issuer=row["issuer"],
        years=tuple(row["years"]),
        network_tiers=tuple(row["network_tiers"]),
    )


_columns = insurance_plan.c
INSURANCE_PLANS = Kind(
    contract=INSURANCE_PLAN,
    query=select(
        _columns.id,
        _columns.version,
        _columns.deleted_at.is_not(None).label("deleted"),
        _columns.name,
        _columns.issuer,
        _columns.years,
        _columns.network_tiers,
    ),
    key=_columns.id,
    order=(_columns.id,),
    entity=entity,
)
