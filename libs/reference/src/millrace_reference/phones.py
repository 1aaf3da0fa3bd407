"""Normalize telephone numbers to E.164."""

import re
from functools import cache, lru_cache

import phonenumbers

_TEN_DIGITS = re.compile(r"(?:\+?1[\s.-]*)?\(?([2-9]\d\d)\)?[\s./-]*([2-9]\d\d)[\s.-]*(\d{4})\Z", re.ASCII)


@cache
def _us_pattern() -> re.Pattern[str]:
    """Return a pattern, from the library `phonenumbers`, of valid fixed and mobile numbers of the United States."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region("US")
    fixed = metadata.fixed_line if metadata is not None else None
    pattern = fixed.national_number_pattern if fixed is not None else None
    if pattern is None:
        raise LookupError("the phonenumbers package has no pattern for the United States")
    return re.compile(pattern)


@lru_cache(65_536)
def normalize_phone(text: str) -> str | None:
    """Normalize a number to E.164 (`2123050000` → `+12123050000`); return None if it is invalid.

    Numbers without a country code are taken as ones of the United States. A single pattern validates their usual forms,
    which is much faster than parsing with the library and gives the same result.
    """
    plain = _TEN_DIGITS.match(text.strip())
    if plain is not None:
        number = "".join(plain.groups())
        if _us_pattern().fullmatch(number):
            return "+1" + number
    try:
        parsed = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
