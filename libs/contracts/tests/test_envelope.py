"""The envelope as a CloudEvent in structured JSON."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from millrace_contracts.entities import Practice
from millrace_contracts.envelope import ContractError, Envelope, decode, encode
from millrace_contracts.registry import PRACTICE, decode_entity, get_contract
from millrace_contracts.schemas import ENVELOPE, generate_schemas

from .strategies import TEXTS

REQUIRED_BY_CLOUDEVENTS = {"id", "source", "specversion", "type"}
OPTIONAL_IN_CLOUDEVENTS = {"datacontenttype", "dataschema", "subject", "time", "data"}
OURS = {"partitionkey", "entityversion", "traceparent", "replay"}
ATTRIBUTE_NAME = re.compile(r"[a-z0-9]{1,20}")
"""CloudEvents 1.0.2, naming conventions: lower-case letters and digits, 20 characters at most."""

DATA = msgspec.json.encode(Practice(id="p-1", name="Harbor Clinic"))
DEFAULTS: dict[str, Any] = {
    "id": "019aa2b4-6f0e-7c55-9a57-5b6f6f3a5d10",
    "source": "/services/directory",
    "type": "millrace.practice.updated",
    "subject": "practice/p-1",
    "time": "2026-03-01T10:00:00.000Z",
    "dataschema": "urn:millrace:practice:1",
    "partitionkey": "practice/p-1",
    "entityversion": 3,
    "data": msgspec.Raw(DATA),
}


def envelope(**changes: Any) -> Envelope:
    return Envelope(**{**DEFAULTS, **changes})


def encoded_members(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(encode(envelope(**changes)))
    return members


def test_event_has_attributes_required_by_cloudevents() -> None:
    event = encoded_members(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", replay=True)
    assert event.keys() >= REQUIRED_BY_CLOUDEVENTS
    assert event.keys() - REQUIRED_BY_CLOUDEVENTS - OPTIONAL_IN_CLOUDEVENTS == OURS
    assert all(event[name] for name in REQUIRED_BY_CLOUDEVENTS)
    assert event["specversion"] == "1.0"
    assert event["datacontenttype"] == "application/json"
    assert event["subject"] == event["partitionkey"]


def test_attributes_follow_cloudevents_naming_and_types() -> None:
    for name, value in encoded_members(traceparent="00-x", replay=True).items():
        assert ATTRIBUTE_NAME.fullmatch(name)
        assert name == "data" or isinstance(value, str | bool | int)


def test_absent_attributes_are_omitted() -> None:
    assert not encoded_members().keys() & {"traceparent", "replay"}


def test_deletion_has_null_data() -> None:
    event = envelope(data=msgspec.Raw(b"null"))
    assert encoded_members(data=msgspec.Raw(b"null"))["data"] is None
    assert decode(encode(event)).is_deletion
    assert decode_entity(event) is None


@given(
    version=st.integers(1, 2**63 - 1),
    replay=st.booleans(),
    texts=st.fixed_dictionaries(dict.fromkeys(("id", "source", "type", "subject", "time", "traceparent"), TEXTS)),
)
def test_round_trip(version: int, replay: bool, texts: dict[str, str]) -> None:
    written = envelope(entityversion=version, replay=replay, **texts)
    read = decode(encode(written))
    assert encode(read) == encode(written)
    assert bytes(read.data) == DATA


@pytest.mark.parametrize("replay", [True, False])
def test_events_match_schema(replay: bool) -> None:
    validator = Draft202012Validator(generate_schemas()[ENVELOPE])
    validator.validate(encoded_members(replay=replay))
    validator.validate(encoded_members(data=msgspec.Raw(b"null"), traceparent="00-x"))
    assert not validator.is_valid({name: value for name, value in encoded_members().items() if name != "specversion"})
    assert not validator.is_valid(encoded_members() | {"entityversion": "3"})


def test_unknown_attributes_are_ignored() -> None:
    event = json.dumps({**encoded_members(), "addedlater": "x", "sequence": 7}).encode()
    assert decode(event).subject == "practice/p-1"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("specversion", "2.0"), ("entityversion", "3"), ("id", None), ("datacontenttype", "text/xml"), ("replay", 1)],
)
def test_error_names_invalid_attribute(attribute: str, value: object) -> None:
    with pytest.raises(ContractError, match=rf"\$\.{attribute}"):
        decode(json.dumps({**encoded_members(), attribute: value}).encode())


@pytest.mark.parametrize("attribute", sorted(DEFAULTS))
def test_error_names_missing_attribute(attribute: str) -> None:
    with pytest.raises(ContractError, match=f"`{attribute}`"):
        decode(json.dumps({name: value for name, value in encoded_members().items() if name != attribute}).encode())


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"{}", b"{" * 10_000])
def test_invalid_body_is_rejected(body: bytes) -> None:
    with pytest.raises(ContractError, match="not an envelope"):
        decode(body)


def test_subject_must_match_data() -> None:
    assert decode_entity(envelope()) == Practice(id="p-1", name="Harbor Clinic")
    with pytest.raises(ContractError, match="subject"):
        decode_entity(envelope(subject="practice/p-2"))


@pytest.mark.parametrize(
    ("changes", "attribute"),
    [
        ({"subject": "unicorn/1"}, "subject"),
        ({"subject": "practice"}, "subject"),
        ({"subject": "practice/p-1/p-2"}, "subject"),
        ({"dataschema": "urn:millrace:practice:2"}, "dataschema"),
        ({"dataschema": "urn:millrace:provider:1"}, "dataschema"),
    ],
)
def test_event_without_known_contract_is_rejected(changes: dict[str, str], attribute: str) -> None:
    with pytest.raises(ContractError, match=f"^{attribute}: "):
        get_contract(envelope(**changes))
    assert get_contract(envelope()).name == PRACTICE.name
