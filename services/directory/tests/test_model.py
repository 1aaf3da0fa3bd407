"""The rules of the aggregates, without a database."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from millrace_directory.events import Event
from millrace_directory.insurance_plan.events import PlanWithdrawn
from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.location.events import LocationMoved
from millrace_directory.location.model import Location
from millrace_directory.merge_patch import merge
from millrace_directory.model import State
from millrace_directory.practice.events import PracticeRenamed
from millrace_directory.practice.model import Practice
from millrace_directory.provider.events import ProviderLeft
from millrace_directory.provider.model import Provider
from millrace_directory.provider_location.model import ProviderLocation

ID = UUID(int=7)
PRACTICE = Practice(id=ID, name="Lakeside Family Medicine", npi="1234567893", phone="(312) 555-0142")
LOCATION = Location(id=ID, line1="1200 N Lake Shore Dr", city="Chicago", state="IL", zip="60610")
PROVIDER = Provider(npi="1234567893", last_name="Ruiz", first_name="Maria", taxonomy="207Q00000X")
PLACE = ProviderLocation(id=ID, npi="1234567893", location_id=ID, taxonomy="207Q00000X")
PLAN = InsurancePlan(id="12345IL0010001", name="Lakeshore Silver PPO")


@pytest.mark.parametrize("state", [PRACTICE, LOCATION, PROVIDER, PLACE, PLAN])
def test_what_keeps_the_rules_has_nothing_to_say(state: State) -> None:
    assert list(state.violations()) == []


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        (replace(PRACTICE, npi="1234567890"), ["npi"]),
        (replace(PRACTICE, phone="12"), ["phone"]),
        (replace(LOCATION, state="ZZ"), ["address.state"]),
        (replace(LOCATION, zip="00000"), ["address.zip"]),
        (replace(LOCATION, state="ZZ", zip="00000-1234"), ["address.state", "address.zip"]),
        (replace(PROVIDER, npi="1234567890"), ["npi"]),
        (replace(PROVIDER, taxonomy="999999999X"), ["taxonomy"]),
        (replace(PROVIDER, taxonomies=("207Q00000X", "999999999X")), ["taxonomies[1]"]),
        (replace(PROVIDER, languages=("en", "qq")), ["languages[1]"]),
        (replace(PLACE, taxonomy="999999999X"), ["taxonomy"]),
    ],
)
def test_a_broken_rule_names_its_field_and_a_remedy(state: State, fields: list[str]) -> None:
    violations = list(state.violations())
    assert [violation.field for violation in violations] == fields
    assert all(violation.detail and violation.remedy for violation in violations)


def test_an_unknown_zip_suggests_known_ones() -> None:
    (violation,) = replace(LOCATION, zip="60600").violations()
    assert "606" in violation.remedy


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (PRACTICE, replace(PRACTICE, name="Lakeside Clinic"), [PracticeRenamed(ID)]),
        (PRACTICE, replace(PRACTICE, phone=None), []),
        (LOCATION, replace(LOCATION, line2="Suite 4"), [LocationMoved(ID)]),
        (LOCATION, replace(LOCATION, practice_id=ID), [LocationMoved(ID)]),
        (LOCATION, replace(LOCATION, phone="3125550142"), []),
        (LOCATION, None, []),
        (PROVIDER, replace(PROVIDER, last_name="O'Connell"), []),
        (PROVIDER, None, [ProviderLeft("1234567893")]),
        (PLAN, replace(PLAN, name="Lakeshore Gold PPO"), []),
        (PLAN, None, [PlanWithdrawn("12345IL0010001")]),
        (PLACE, None, []),
    ],
)
def test_only_what_others_carry_has_consequences(before: State, after: State | None, events: list[Event]) -> None:
    assert list(before.consequences(after)) == events


def test_the_identity_of_a_provider_location_stays() -> None:
    moved = replace(PLACE, location_id=UUID(int=8), phone="3125550142")
    assert [violation.field for violation in PLACE.identity_violations(moved)] == ["location_id"]


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
def test_merge_patch_does_as_the_rfc_says(
    target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    assert merge(target, patch) == result
