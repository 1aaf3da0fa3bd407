"""National Provider Identifiers: ten digits, the last one a Luhn check digit over `80840` and the nine before.

Source: CMS, "Requirements for National Provider Identifier (NPI) and NPI Check Digit".
"""

_PREFIX_SUM = 24  # the part of the Luhn sum that comes from the prefix 80840
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# Sums by groups of three digits, for speed: an import of all providers checks nine million NPIs.
_OUTER = {f"{n:03}": _DOUBLED[n // 100] + n // 10 % 10 + _DOUBLED[n % 10] for n in range(1000)}
_INNER = {f"{n:03}": n // 100 + _DOUBLED[n // 10 % 10] + n % 10 for n in range(1000)}


def npi_check_digit(first9: str) -> int:
    """Return the check digit of nine ASCII digits; raise `ValueError` for any other text."""
    try:
        return -(_PREFIX_SUM + _OUTER[first9[:3]] + _INNER[first9[3:6]] + _OUTER[first9[6:]]) % 10
    except KeyError:
        raise ValueError("an NPI has nine digits before its check digit") from None


def is_valid_npi(text: str) -> bool:
    """Return whether the text is ten digits, starts with 1 or 2, and ends with the right check digit."""
    if len(text) != 10 or text[0] not in "12":
        return False
    try:
        return str(npi_check_digit(text[:9])) == text[9]
    except ValueError:
        return False
