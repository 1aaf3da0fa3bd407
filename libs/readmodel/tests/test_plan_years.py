"""Plans that are accepted in some years only."""

from datetime import UTC, datetime

from millrace_contracts.entities import Address, ProviderLocation
from millrace_readmodel.plan_years import accepted_plans, plan_set, plan_year, split_member

LOCATION = ProviderLocation(
    id="1",
    npi="1000000004",
    location_id="2",
    address=Address(line1="1 Main St", city="New York", state="NY", zip="10001"),
    taxonomy="207N00000X",
    accepted_plans=("ALWAYS", "BOTH", "PAST"),
    accepted_plan_years={"BOTH": (2026, 2027), "PAST": (2025,)},
)


def test_plan_is_accepted_in_its_years() -> None:
    assert accepted_plans(LOCATION, 2025) == ["ALWAYS", "PAST"]
    assert accepted_plans(LOCATION, 2026) == ["ALWAYS", "BOTH"]
    assert accepted_plans(LOCATION, 2028) == ["ALWAYS"]


def test_plan_set_names_the_years() -> None:
    assert plan_set(LOCATION) == ("ALWAYS", "BOTH:2026", "BOTH:2027", "PAST:2025")
    assert [split_member(each) for each in plan_set(LOCATION)] == [
        ("ALWAYS", None), ("BOTH", 2026), ("BOTH", 2027), ("PAST", 2025),
    ]  # fmt: skip


def test_plan_year_begins_at_midnight_utc() -> None:
    assert plan_year(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) == 2026
    assert plan_year(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) == 2027
