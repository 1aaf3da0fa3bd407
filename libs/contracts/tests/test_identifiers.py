"""Identifiers that are derived from the entity."""

import uuid

from hypothesis import given

from millrace_contracts.entities import NAMESPACE, practice_id, provider_location_id

from .strategies import TEXTS


@given(TEXTS, TEXTS)
def test_ids_are_uuids_of_version_5(npi: str, location: str) -> None:
    assert practice_id(npi) == str(uuid.uuid5(NAMESPACE, f"practice|{npi}"))
    assert provider_location_id(npi, location) == str(uuid.uuid5(NAMESPACE, f"provider-location|{npi}|{location}"))
