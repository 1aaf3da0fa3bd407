"""What reading the contracts has in common."""

from datetime import datetime

from millrace_contracts.envelope import ContractError


def moment(field: str, text: str) -> datetime:
    """An RFC 3339 time with its offset. Raises `ContractError`, which doesn't quote it."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{field}: not a time") from error
    if parsed.tzinfo is None:
        raise ContractError(f"{field}: a time without offset")
    return parsed
