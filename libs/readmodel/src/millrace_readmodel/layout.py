"""Keys and byte layout of the read model, shared by its writers and readers (pure).

The keys of generation `g` begin with `g:`; the pointer `rm:generation` contains the number of the served generation.

- A *partition* is a string of fixed-width rows (`ROW`), one for each provider-location of a specialty in an H3 cell
  (resolution 4). SETRANGE at `index * ROW.itemsize` rewrites one row.
- The *openings* of a partition are a parallel string of entries (`OPENINGS`) at `index * OPENINGS.itemsize`. It ends
  with the last row that has openings; other rows without openings have an entry of zeros.
- A *card* is the content of a search result: one string per provider-location, a stamp and msgpack of
  `cards.StoredCard`.
- A *name word* is a string of fixed-width entries (`NAME_ENTRY`), one for each provider-location with that word in the
  provider's name.
- *Plan sets* are interned: a row contains the number of its set of accepted plans in a list of distinct sets.
"""

import functools
import hashlib
from typing import Final

import h3
import numpy as np
import numpy.typing as npt

H3_RESOLUTION: Final = 4
"""Cells average 1,770 km²; a 10-mile circle touches 1 to 4 of them."""

ROW: Final = np.dtype(
    [
        ("id", "<u8"),  # row_id of the provider-location
        ("version", "<u8"),  # of the card; only the same or a higher version replaces a row
        ("lat", "<f4"),  # degrees
        ("lon", "<f4"),
        ("languages", "<u4"),  # bits by reference.languages ordinal
        ("plan_set", "<u4"),  # number of the plan set; 0 is the empty set
        ("specialty", "<u2"),  # reference.specialties ordinal
        ("rating", "<u2"),  # thousandths, 0 when there is none
        ("reviews", "<u2"),  # saturating
        ("sex", "u1"),  # 0 unknown, 1 F, 2 M, 3 X
        ("new_patients", "u1"),  # 0 unknown, 1 no, 2 yes
    ]
)
NAME_ENTRY: Final = np.dtype(
    [
        ("id", "<u8"),  # row_id of the provider-location
        ("lat", "<f4"),
        ("lon", "<f4"),
        ("specialty", "<u2"),
        ("reserved", "<u2"),
    ]
)
DAYS: Final = 64
"""Days that an entry covers: the booking horizon of 60 days, rounded up to 64 bits."""
WEEKS: Final = 10
"""Largest number of weeks that these days touch."""
VISIT_KINDS: Final = 4
"""Combinations of mode and patient kind."""
PLANES: Final = 3 * VISIT_KINDS
"""Bit planes, one for each part of the day and visit kind: `VISIT_KINDS * part + kind`."""
COUNTED_DAYS: Final = 24
COUNT_BITS: Final = 5
MAX_COUNT: Final = (1 << COUNT_BITS) - 1
"""Largest count, which also stands for all larger ones."""
FIRSTS: Final = 6
FIRST_DAYS: Final = 32
"""Days in which first times are recorded."""
NO_FIRST: Final = 0xFFFF
OPENINGS: Final = np.dtype(
    [
        ("check", "<u2"),  # the lower 16 bits of the row's id
        (
            "since",
            "<u2",
        ),  # first local day covered, since 1970-01-01; 0: unknown
        ("zone", "u1"),  # number of the time zone (`zones.TIME_ZONES`)
        ("counts", "V15"),  # openings a day, 5 bits each, day d at d % 24; of 24 days
        ("versions", "<u2", (WEEKS,)),  # of week w at w % 10: 1 + version % 65,535, 0 for none
        ("planes", "<u8", (PLANES,)),  # day d at bit d % 64; of 64 days
        ("firsts", "<u2", (FIRSTS,)),  # first times by part of day: (day - since) << 11 | minute; of 32 days
    ]
)
Rows = npt.NDArray[np.void]

GENERATION_KEY: Final = "rm:generation"
"""Number of the served generation."""
BUILDING_KEY: Final = "rm:building"
"""The generation being built, as `<number> <phase>` (see `generations`); absent when no rebuild runs."""
REBUILD_LOCK_KEY: Final = "rm:rebuild-lock"
"""Token of the running rebuild, with an expiry."""
AS_OF_KEY: Final = "rm:as-of"
"""Hash from shards of `entities` to the time (Unix seconds, as text) up to which each is projected."""


def row_id(provider_location_id: str) -> int:
    """Return the 64-bit identifier of a provider-location in rows, name entries and card keys."""
    return int.from_bytes(bytes.fromhex(provider_location_id.replace("-", ""))[:8], "little")


@functools.lru_cache(maxsize=65_536)  # positions are ZIP code centroids, which are fewer
def cell_at(lat: float, lon: float) -> str:
    """Return the H3 cell (hexadecimal) of a position in degrees."""
    return str(h3.latlng_to_cell(lat, lon, H3_RESOLUTION))


def partition_key(generation: int, specialty: int, cell: str) -> str:
    """Return the key of a string of `ROW`s. `specialty` is the ordinal; the hash tag assigns one cluster slot."""
    return f"{generation}:p:{{{specialty}:{cell}}}"


def openings_key(generation: int, specialty: int, cell: str) -> str:
    """Return the key of a string of `OPENINGS`, in the order of the partition's rows."""
    return f"{generation}:o:{{{specialty}:{cell}}}"


def openings_key_for(partition: bytes) -> bytes:
    """Return the key of a partition's openings from the partition's key."""
    return partition.replace(b":p:", b":o:", 1)


def parse_partition_key(key: str) -> tuple[int, str]:
    """Return specialty ordinal and cell from the key of a partition or its openings."""
    specialty, _, cell = key[key.index("{") + 1 : key.index("}")].partition(":")
    return int(specialty), cell


def card_key(generation: int, row: int) -> bytes:
    """Return the binary key of a card, which ends with 8 bytes of row id."""
    return card_prefix(generation) + row.to_bytes(8, "little")


def card_prefix(generation: int) -> bytes:
    """Return the part of card keys before the row id (8 bytes, little endian)."""
    return b"%d:c:" % generation


def name_key(generation: int, word: str) -> str:
    """Return the key of a string of `NAME_ENTRY`s for one folded word."""
    return f"{generation}:n:{word}"


def words_key(generation: int) -> str:
    """Return the key of the set of all words that have a `name_key`."""
    return f"{generation}:words"


def plan_sets_key(generation: int) -> str:
    """Return the key of a list: element i is plan set i, its plan ids joined by spaces; element 0 is empty."""
    return f"{generation}:plan-sets"


def plan_set_index_key(generation: int) -> str:
    """Return the key of a hash from plan set digests to numbers."""
    return f"{generation}:plan-set-index"


def plans_key(generation: int) -> str:
    """Return the key of a hash from plan ids to insurance plans: version (8 bytes, little endian), then JSON."""
    return f"{generation}:plans"


def dirty_key(generation: int) -> str:
    """Return the key of the set of aggregates (partition keys of the source of truth) changed during loading."""
    return f"{generation}:dirty"


def plan_set_digest(plans: tuple[str, ...]) -> bytes:
    """Return the key of a plan set in the index, from its ids in order."""
    return hashlib.blake2b(" ".join(plans).encode(), digest_size=12).digest()
