"""Parsing functions for converting entities from the contracts."""

from datetime import datetime

from millrace_contracts.envelope import ContractError


def parse_time(field: str, text: str) -> datetime:
    """Parse an RFC 3339 time with its offset. Raises `ContractError`, whose message doesn't contain the text."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{field}: not a time") from error
    if parsed.tzinfo is None:
        raise ContractError(f"{field}: a time without offset")
    return parsed
