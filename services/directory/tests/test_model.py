"""The rules of the aggregates, without a database."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from millrace_directory.http import merge
from millrace_directory.insurance_plan.model import InsurancePlan, PlanDeleted
from millrace_directory.location.model import Location, LocationChanged, id_of_address
from millrace_directory.model import DomainEvent, State
from millrace_directory.practice.model import Practice, PracticeRenamed
from millrace_directory.provider.model import Provider, ProviderDeleted
from millrace_directory.provider_location.model import ProviderLocation

ID = UUID(int=7)
PRACTICE = Practice(id=ID, name="Lakeside Family Medicine", npi="1234567893", phone="(312) 555-0142")
ADDRESS: dict[str, Any] = {
    "line1": "1200 N Lake Shore Dr",
    "line2": None,
    "city": "Chicago",
    "state": "IL",
    "zip": "60610",
}
LOCATION_ID = id_of_address(**ADDRESS)
LOCATION = Location(id=LOCATION_ID, **ADDRESS)
PROVIDER = Provider(npi="1234567893", last_name="Ruiz", first_name="Maria", taxonomy="207Q00000X")
PROVIDER_LOCATION = ProviderLocation(id=ID, npi="1234567893", location_id=ID, taxonomy="207Q00000X")
PLAN = InsurancePlan(id="12345IL0010001", name="Lakeshore Silver PPO")


@pytest.mark.parametrize("state", [PRACTICE, LOCATION, PROVIDER, PROVIDER_LOCATION, PLAN])
def test_valid_states_have_no_violations(state: State) -> None:
    assert list(state.violations()) == []


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        (replace(PRACTICE, npi="1234567890"), ["npi"]),
        (replace(PRACTICE, phone="12"), ["phone"]),
        (replace(LOCATION, id=ID), ["id"]),
        (replace(LOCATION, line2="Suite 4"), ["id"]),
        (replace(LOCATION, state="ZZ"), ["address.state"]),
        (replace(LOCATION, zip="00000"), ["address.zip"]),
        (replace(LOCATION, state="ZZ", zip="00000-1234"), ["address.state", "address.zip"]),
        (replace(PROVIDER, npi="1234567890"), ["npi"]),
        (replace(PROVIDER, taxonomy="999999999X"), ["taxonomy"]),
        (replace(PROVIDER, taxonomies=("207Q00000X", "999999999X")), ["taxonomies[1]"]),
        (replace(PROVIDER, languages=("en", "qq")), ["languages[1]"]),
        (replace(PROVIDER_LOCATION, taxonomy="999999999X"), ["taxonomy"]),
    ],
)
def test_violations_name_the_field_and_a_remedy(state: State, fields: list[str]) -> None:
    violations = list(state.violations())
    assert [violation.field for violation in violations] == fields
    assert all(violation.detail and violation.remedy for violation in violations)


def test_unknown_zip_code_suggests_similar_ones() -> None:
    (violation,) = replace(LOCATION, zip="60600").violations()
    assert "606" in violation.remedy


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (PRACTICE, replace(PRACTICE, name="Lakeside Clinic"), [PracticeRenamed(ID)]),
        (PRACTICE, replace(PRACTICE, phone=None), []),
        (LOCATION, replace(LOCATION, line1="1200 North Lake Shore Drive"), [LocationChanged(LOCATION_ID)]),
        (LOCATION, replace(LOCATION, practice_id=ID), [LocationChanged(LOCATION_ID)]),
        (LOCATION, replace(LOCATION, phone="3125550142"), []),
        (LOCATION, None, []),
        (PROVIDER, replace(PROVIDER, last_name="O'Connell"), []),
        (PROVIDER, None, [ProviderDeleted("1234567893")]),
        (PLAN, replace(PLAN, name="Lakeshore Gold PPO"), []),
        (PLAN, None, [PlanDeleted("12345IL0010001")]),
        (PROVIDER_LOCATION, None, []),
    ],
)
def test_only_values_shown_by_dependents_cause_domain_events(
    before: State, after: State | None, events: list[DomainEvent]
) -> None:
    assert list(before.domain_events(after)) == events


def test_identity_of_a_provider_location_cannot_change() -> None:
    moved = replace(PROVIDER_LOCATION, location_id=UUID(int=8), phone="3125550142")
    assert [violation.field for violation in PROVIDER_LOCATION.identity_violations(moved)] == ["location_id"]


# Appendix A of RFC 7396, as far as the target is an object.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_follows_rfc_7396(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert merge(target, patch) == result
