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
"""Resolution of the H3 cells: they average 1,770 km², and a 10-mile circle touches 1 to 4 of them."""

ROW: Final = np.dtype(
    [
        ("id", "<u8"),  # row_id of the provider-location
        ("version", "<u8"),  # version of the card; only the same or a higher version replaces a row
        ("lat", "<f4"),  # degrees
        ("lon", "<f4"),
        ("languages", "<u4"),  # bit i is set for the language with ordinal i
        ("plan_set", "<u4"),  # number of the plan set; 0 is the empty set
        ("specialty", "<u2"),  # ordinal in reference.specialties
        ("rating", "<u2"),  # in thousandths; 0 without a rating
        ("reviews", "<u2"),  # number of reviews, at most 65,535
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
"""Days that an openings entry covers: the booking horizon of 60 days, rounded up to 64 bits."""
WEEKS: Final = 10
"""Largest number of ISO weeks that `DAYS` consecutive days touch."""
VISIT_KINDS: Final = 4
"""Number of combinations of mode (in person, video) and patient (existing, new)."""
PLANES: Final = 3 * VISIT_KINDS
"""Number of bit planes (one bit per day): plane `VISIT_KINDS * part + kind` for each part of the day and visit kind."""
COUNTED_DAYS: Final = 24
COUNT_BITS: Final = 5
MAX_COUNT: Final = (1 << COUNT_BITS) - 1
"""Largest number of openings recorded for a day, which also stands for all larger numbers."""
FIRSTS: Final = 6
FIRST_DAYS: Final = 32
"""Number of days in which an openings entry records the earliest openings."""
NO_FIRST: Final = 0xFFFF
OPENINGS: Final = np.dtype(
    [
        ("check", "<u2"),  # the lower 16 bits of the row's id
        ("since", "<u2"),  # first local day covered, in days since 1970-01-01; 0: openings unknown
        ("zone", "u1"),  # number of the time zone (`zones.TIME_ZONES`)
        ("counts", "V15"),  # number of openings on each of 24 days, 5 bits each; day d is at d % 24
        ("versions", "<u2", (WEEKS,)),  # version of each week, week w at w % 10: 1 + version % 65,535; 0: none
        ("planes", "<u8", (PLANES,)),  # 64 days, day d at bit d % 64
        ("firsts", "<u2", (FIRSTS,)),  # first times by part of day: (day - since) << 11 | minute
    ]
)
Rows = npt.NDArray[np.void]

GENERATION_KEY: Final = "rm:generation"
"""Redis key of the number of the generation (copy of the read model) that searches read."""
BUILDING_KEY: Final = "rm:building"
"""Key of the generation being built, as `<number> <phase>` (see `generations`); absent when no rebuild runs."""
REBUILD_LOCK_KEY: Final = "rm:rebuild-lock"
"""Key of the running rebuild's token, which expires unless it is renewed."""
AS_OF_KEY: Final = "rm:as-of"
"""Key of a hash from shards of `entities` to the time (Unix seconds, as text) up to which each is projected."""


def row_id(provider_location_id: str) -> int:
    """Return the 64-bit id of a provider-location in rows, name entries and card keys: its UUID's first 8 bytes."""
    return int.from_bytes(bytes.fromhex(provider_location_id.replace("-", ""))[:8], "little")


@functools.lru_cache(maxsize=65_536)  # positions are ZIP code centroids, which are fewer
def cell_at(lat: float, lon: float) -> str:
    """Return the H3 cell (hexadecimal) that contains a position in degrees."""
    return str(h3.latlng_to_cell(lat, lon, H3_RESOLUTION))


def partition_key(generation: int, specialty: int, cell: str) -> str:
    """Return the key of a partition (string of `ROW`s) for a specialty ordinal and an H3 cell.

    Its hash tag `{…}` assigns it to the same cluster slot as the partition's openings.
    """
    return f"{generation}:p:{{{specialty}:{cell}}}"


def openings_key(generation: int, specialty: int, cell: str) -> str:
    """Return the key of a partition's openings: a string of `OPENINGS` in the order of the partition's rows."""
    return f"{generation}:o:{{{specialty}:{cell}}}"


def openings_key_for(partition: bytes) -> bytes:
    """Convert a partition's key to the key of its openings."""
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
    """Return the key of the `NAME_ENTRY`s for one word (without case and accents)."""
    return f"{generation}:n:{word}"


def words_key(generation: int) -> str:
    """Return the key of the set of all words that have a `name_key`."""
    return f"{generation}:words"


def plan_sets_key(generation: int) -> str:
    """Return the key of a list: element i is plan set i, its plan ids joined by spaces; element 0 is empty."""
    return f"{generation}:plan-sets"


def plan_set_index_key(generation: int) -> str:
    """Return the key of a hash from plan set digests (`plan_set_digest`) to plan set numbers."""
    return f"{generation}:plan-set-index"


def plans_key(generation: int) -> str:
    """Return the key of a hash from plan ids to insurance plans: version (8 bytes, little endian), then JSON."""
    return f"{generation}:plans"


def dirty_key(generation: int) -> str:
    """Return the key of the set of aggregates (partition keys of the source of truth) changed during loading."""
    return f"{generation}:dirty"


def plan_set_digest(plans: tuple[str, ...]) -> bytes:
    """Return the 12-byte digest of a plan set, given as ordered plan ids: its field in the index hash."""
    return hashlib.blake2b(" ".join(plans).encode(), digest_size=12).digest()
