"""Columns of the NPPES data dissemination files, version 2: the main file, a CSV with 330 columns, all fields quoted,
and two of its reference files.

Source: CMS, "NPPES Data Dissemination – Readme", header of the V2 files.
"""

from typing import Final, Literal

TAXONOMIES: Final = 15
OTHER_IDENTIFIERS: Final = 50


_TAXONOMY_COLUMNS = (
    "Healthcare Provider Taxonomy Code",
    "Provider License Number",
    "Provider License Number State Code",
    "Healthcare Provider Primary Taxonomy Switch",
)
_OTHER_IDENTIFIER_COLUMNS = (
    "Other Provider Identifier",
    "Other Provider Identifier Type Code",
    "Other Provider Identifier State",
    "Other Provider Identifier Issuer",
)


def address_columns(kind: Literal["Mailing", "Practice Location"]) -> tuple[str, ...]:
    """Return the columns of an address: two lines, city, state, postal code, country, telephone and fax number."""
    return (
        f"Provider First Line Business {kind} Address",
        f"Provider Second Line Business {kind} Address",
        f"Provider Business {kind} Address City Name",
        f"Provider Business {kind} Address State Name",
        f"Provider Business {kind} Address Postal Code",
        f"Provider Business {kind} Address Country Code (If outside U.S.)",
        f"Provider Business {kind} Address Telephone Number",
        f"Provider Business {kind} Address Fax Number",
    )


COLUMNS: Final = (
    "NPI",
    "Entity Type Code",
    "Replacement NPI",
    "Employer Identification Number (EIN)",
    "Provider Organization Name (Legal Business Name)",
    "Provider Last Name (Legal Name)",
    "Provider First Name",
    "Provider Middle Name",
    "Provider Name Prefix Text",
    "Provider Name Suffix Text",
    "Provider Credential Text",
    "Provider Other Organization Name",
    "Provider Other Organization Name Type Code",
    "Provider Other Last Name",
    "Provider Other First Name",
    "Provider Other Middle Name",
    "Provider Other Name Prefix Text",
    "Provider Other Name Suffix Text",
    "Provider Other Credential Text",
    "Provider Other Last Name Type Code",
    *address_columns("Mailing"),
    *address_columns("Practice Location"),
    "Provider Enumeration Date",
    "Last Update Date",
    "NPI Deactivation Reason Code",
    "NPI Deactivation Date",
    "NPI Reactivation Date",
    "Provider Sex Code",
    "Authorized Official Last Name",
    "Authorized Official First Name",
    "Authorized Official Middle Name",
    "Authorized Official Title or Position",
    "Authorized Official Telephone Number",
    *(f"{name}_{number}" for number in range(1, TAXONOMIES + 1) for name in _TAXONOMY_COLUMNS),
    *(f"{name}_{number}" for number in range(1, OTHER_IDENTIFIERS + 1) for name in _OTHER_IDENTIFIER_COLUMNS),
    "Is Sole Proprietor",
    "Is Organization Subpart",
    "Parent Organization LBN",
    "Parent Organization TIN",
    "Authorized Official Name Prefix Text",
    "Authorized Official Name Suffix Text",
    "Authorized Official Credential Text",
    *(f"Healthcare Provider Taxonomy Group_{number}" for number in range(1, TAXONOMIES + 1)),
    "Certification Date",
)
"""The column names in the order of the file."""

PRACTICE_LOCATION_COLUMNS: Final = (
    "NPI",
    "Provider Secondary Practice Location Address - Address Line 1",
    "Provider Secondary Practice Location Address - Address Line 2",
    "Provider Secondary Practice Location Address - City Name",
    "Provider Secondary Practice Location Address - State Name",
    "Provider Secondary Practice Location Address - Postal Code",
    "Provider Secondary Practice Location Address - Country Code (If outside U.S.)",
    "Provider Secondary Practice Location Address - Telephone Number",
    "Provider Secondary Practice Location Address - Telephone Extension",
    "Provider Practice Location Address - Fax Number",
)
"""Columns of the Practice Location Reference File, with regular spaces around the hyphens."""

OTHER_NAME_COLUMNS: Final = (
    "NPI",
    "Provider Other Organization Name",
    "Provider Other Organization Name Type Code",
    "Created Date",
)
"""Columns of the Other Name Reference File; the last one can be missing."""

DOING_BUSINESS_AS: Final = "3"
"""Type code of the other name under which an organization does business."""
