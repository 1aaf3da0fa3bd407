"""Readers ignore unknown fields, and name the field of invalid data."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace_contracts.entities import Entity, Location, Provider
from millrace_contracts.envelope import ContractError
from millrace_contracts.registry import CONTRACTS, LOCATION, PROVIDER, Contract

from .strategies import entities

FIRST_PROVIDER = {"npi": "1234567893", "last_name": "Ruiz", "first_name": "Maria", "taxonomy": "207Q00000X"}
"""Fields of the first provider events of version 1; fields added later must not be required."""
FIRST_LOCATION = {"id": "l-1", "address": {"line1": "1 Main St", "city": "Boston", "state": "MA", "zip": "02108"}}


def encoded(*parts: dict[str, Any]) -> bytes:
    return json.dumps({name: value for part in parts for name, value in part.items()}).encode()


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@given(data=st.data())
@settings(max_examples=40)
def test_round_trip(contract: Contract[Entity], data: st.DataObject) -> None:
    entity = data.draw(entities(contract.type))
    assert contract.decode(msgspec.json.encode(entity)) == entity


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@given(data=st.data())
@settings(max_examples=20)
def test_unknown_fields_are_ignored(contract: Contract[Entity], data: st.DataObject) -> None:
    entity = data.draw(entities(contract.type))
    later = {"added_later": data.draw(st.sampled_from([1, None, "text", [1], {"deep": {"er": True}}]))}
    assert contract.decode(encoded(msgspec.to_builtins(entity), later)) == entity


def test_unknown_nested_fields_are_ignored() -> None:
    address = {**FIRST_LOCATION["address"], "county": "Suffolk"}  # type: ignore[dict-item] # an object
    assert LOCATION.decode(encoded(FIRST_LOCATION, {"address": address})) == LOCATION.decode(encoded(FIRST_LOCATION))


def test_later_fields_have_defaults() -> None:
    provider = PROVIDER.decode(encoded(FIRST_PROVIDER))
    assert provider == Provider(npi="1234567893", last_name="Ruiz", first_name="Maria", taxonomy="207Q00000X")
    assert (provider.languages, provider.sex, provider.specialty) == ((), None, None)
    location = LOCATION.decode(encoded(FIRST_LOCATION))
    assert isinstance(location, Location)
    assert location.time_zone is None


@pytest.mark.parametrize("missing", FIRST_PROVIDER)
def test_error_names_missing_field(missing: str) -> None:
    rest = {name: value for name, value in FIRST_PROVIDER.items() if name != missing}
    with pytest.raises(ContractError, match=f"^provider: .*`{missing}`"):
        PROVIDER.decode(encoded(rest))


@pytest.mark.parametrize(
    ("field", "value"),
    [("npi", 1234567893), ("sex", "?"), ("sex", 1), ("languages", "en"), ("last_name", None), ("taxonomies", [None])],
)
def test_error_names_field_of_wrong_type(field: str, value: object) -> None:
    with pytest.raises(ContractError, match=rf"^provider: .*\$\.{field}"):
        PROVIDER.decode(encoded(FIRST_PROVIDER, {field: value}))


@pytest.mark.parametrize(
    ("contract", "change", "path"),
    [
        (PROVIDER, {**FIRST_PROVIDER, "last_name": "Ru\0iz"}, r"\$\.last_name"),
        (PROVIDER, {**FIRST_PROVIDER, "languages": ["en", "e\0"]}, r"\$\.languages\[1\]"),
        (
            LOCATION,
            {"id": "l-1", "address": {"line1": "\0", "city": "Boston", "state": "MA", "zip": "02108"}},
            r"\$\.address\.line1",
        ),
    ],
)
def test_error_names_field_with_nul(contract: Contract[Entity], change: dict[str, Any], path: str) -> None:
    with pytest.raises(ContractError, match=f"U\\+0000.*{path}"):
        contract.decode(encoded(change))


def test_escaped_backslash_is_not_nul() -> None:
    provider = PROVIDER.decode(encoded(FIRST_PROVIDER, {"last_name": r"Ruiz\u0000"}))
    assert provider.last_name == r"Ruiz\u0000"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"npi": "\x00"}', b'"text"'])
def test_invalid_data_is_rejected(body: bytes) -> None:
    with pytest.raises(ContractError, match=r"^provider: "):
        PROVIDER.decode(body)
