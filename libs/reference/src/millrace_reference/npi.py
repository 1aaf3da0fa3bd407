"""National Provider Identifiers: ten digits, the last one a Luhn check digit over `80840` and the nine before.

Source: CMS, "Requirements for National Provider Identifier (NPI) and NPI Check Digit".
"""

_PREFIX_SUM = 24  # what 80840 adds to the Luhn sum of every NPI
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def npi_check_digit(first9: str) -> int:
    """The tenth digit. Raises `ValueError` unless given nine ASCII digits."""
    if len(first9) != 9 or not (first9.isascii() and first9.isdigit()):
        raise ValueError("an NPI has nine digits before its check digit")
    total = _PREFIX_SUM
    for position, digit in enumerate(first9):
        value = ord(digit) - 48
        total += value if position % 2 else _DOUBLED[value]
    return -total % 10


def is_valid_npi(text: str) -> bool:
    """Whether the text is ten digits, starts with 1 or 2, and ends with the right check digit."""
    return (
        len(text) == 10
        and text[0] in "12"
        and text.isascii()
        and text.isdigit()
        and npi_check_digit(text[:9]) == ord(text[9]) - 48
    )
