"""Reads the names of issuers by number (HIOS issuer id) from a CSV file like the CMS plan attributes."""

import csv
from collections.abc import Mapping
from pathlib import Path

from millrace_directory.bulk_import.errors import UnusableFileError

NUMBER, NAME = "IssuerId", "IssuerMarketPlaceMarketingName"
MAX_ISSUERS = 10_000


def read_issuers(path: Path) -> Mapping[str, str]:
    """Return the names by number; the first row of an issuer counts, as a file has one for each of its plans.

    Raises `UnusableFileError` if the file can't be read or lacks one of the columns.
    """
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                number, name = row[NUMBER].strip(), (row[NAME] or "").strip()
                if name and len(found) < MAX_ISSUERS:
                    found.setdefault(number, name)
    except OSError as error:
        raise UnusableFileError(f"Can't read {path}: {error.strerror}.") from error
    except (KeyError, AttributeError, csv.Error, UnicodeDecodeError) as error:
        raise UnusableFileError(f"{path} isn't a CSV file with the columns {NUMBER} and {NAME}.") from error
    return found
