"""Telephone numbers in E.164."""

import re
from functools import cache, lru_cache

import phonenumbers

_TEN_DIGITS = re.compile(r"(?:\+?1[\s.-]*)?\(?([2-9]\d\d)\)?[\s./-]*([2-9]\d\d)[\s.-]*(\d{4})\Z", re.ASCII)


@cache
def _american() -> re.Pattern[str]:
    """The library's own pattern of a valid fixed or mobile number of the United States."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region("US")
    fixed = metadata.fixed_line if metadata is not None else None
    pattern = fixed.national_number_pattern if fixed is not None else None
    if pattern is None:
        raise LookupError("the phonenumbers package has no pattern for the United States")
    return re.compile(pattern)


@lru_cache(65_536)
def e164(text: str) -> str | None:
    """`2123050000` → `+12123050000`; a number without a country is American; None unless it is valid.

    Nearly all are plain American ones, for which one pattern decides as the library would, at a fraction of its time.
    """
    plain = _TEN_DIGITS.match(text.strip())
    if plain is not None:
        number = "".join(plain.groups())
        if _american().fullmatch(number):
            return "+1" + number
    try:
        parsed = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
