"""Conversion of entities of the contracts to the types of this service."""

from typing import Any, TypeVar

import msgspec

from millrace_contracts.envelope import ContractError

T = TypeVar("T")


def convert(fields: dict[str, Any], type_: type[T]) -> T:
    """Convert fields of a contract to a type, ignoring others. Raises `ContractError`, whose message has no values."""
    try:
        return msgspec.convert(fields, type_)
    except msgspec.ValidationError as error:
        raise ContractError(str(error)) from error
