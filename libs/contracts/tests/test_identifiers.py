"""Identifiers that are derived from the entity."""

import uuid

from hypothesis import given

from millrace_contracts.entities import NAMESPACE, location_id, practice_id, provider_location_id

from .strategies import TEXTS


@given(TEXTS, TEXTS)
def test_ids_are_uuids_of_version_5(npi: str, location: str) -> None:
    assert practice_id(npi) == str(uuid.uuid5(NAMESPACE, f"practice|{npi}"))
    assert provider_location_id(npi, location) == str(uuid.uuid5(NAMESPACE, f"provider-location|{npi}|{location}"))


def test_location_id_ignores_case_and_spaces() -> None:
    expected = location_id(line1="12 Main  St", line2=None, city="Springfield", state="MA", zip5="01103")
    assert expected == location_id(line1="12 MAIN ST", line2="", city=" springfield", state="ma", zip5="01103")
    assert expected == str(uuid.uuid5(NAMESPACE, "location|12 MAIN ST||SPRINGFIELD|MA|01103"))
