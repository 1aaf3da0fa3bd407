"""The read model's keys and bytes: pure, shared by its writer and its readers.

Everything of generation `g` lives below `g:`; the pointer `rm:generation` names the one that is served.

- A *partition* holds the provider-locations of one specialty in one H3 cell (resolution 4): one string of fixed-width
  rows (`ROW`), so that a row is rewritten with one SETRANGE at `index * ROW.itemsize`.
- Beside it lie the *openings* of its rows, an entry (`OPENINGS`) at the same place: `index * OPENINGS.itemsize`. The
  string ends with the last row that has any; a row without openings has an entry of zeros, or none.
- A *card* is what a result shows: one string a provider-location, msgpack of `cards.StoredCard` behind its version.
- A *name word* holds who carries that word in the name: one string of fixed-width entries (`NAME_ENTRY`).
- *Plan sets* are interned: a row holds the number of its set of accepted plans, the set itself stands once in a list.
"""

import functools
import hashlib
from typing import Final

import h3
import numpy as np
import numpy.typing as npt

H3_RESOLUTION: Final = 4
"""Cells of 1,770 km² on average: a 10-mile circle touches 1 to 4 of them."""

ROW: Final = np.dtype(
    [
        ("id", "<u8"),  # row_id of the provider-location
        ("version", "<u8"),  # of the card; a row is only ever replaced by a higher one
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
"""That an entry tells of: the booking horizon of 60 days, and some."""
WEEKS: Final = 10
"""Most that these days touch."""
KINDS: Final = 4
"""Combinations of mode and patient kind."""
PLANES: Final = 3 * KINDS
"""One for each part of the day and kind: `KINDS * part + kind`."""
COUNTED_DAYS: Final = 24
COUNT_BITS: Final = 5
MOST_COUNTED: Final = (1 << COUNT_BITS) - 1
"""Stands for itself and more."""
FIRSTS: Final = 6
FIRST_DAYS: Final = 32
"""Within which first times are told."""
NO_FIRST: Final = 0xFFFF
OPENINGS: Final = np.dtype(
    [
        ("check", "<u2"),  # the lower 16 bits of the row's id
        (
            "since",
            "<u2",
        ),  # first day that it tells of: days since 1970-01-01 at the place; 0: nothing is known
        ("zone", "u1"),  # number of the time zone (`zones.TIME_ZONES`)
        ("counts", "V15"),  # openings a day, 5 bits each, day d at d % 24; of 24 days
        ("versions", "<u2", (WEEKS,)),  # of week w at w % 10: 1 + version % 65,535, 0 for none
        ("planes", "<u8", (PLANES,)),  # day d at bit d % 64; of 64 days
        ("firsts", "<u2", (FIRSTS,)),  # first times by part of day: (day - since) << 11 | minute; of 32 days
    ]
)
Rows = npt.NDArray[np.void]

GENERATION_KEY: Final = "rm:generation"
"""The number of the generation that is served."""
BUILDING_KEY: Final = "rm:building"
"""The generation that a rebuild is making, as `<number> <phase>` (see `generations`); absent when none runs."""
REBUILD_LOCK_KEY: Final = "rm:rebuild-lock"
"""Token of the rebuild that runs, with an expiry."""
AS_OF_KEY: Final = "rm:as-of"
"""Hash: shard of `entities` to the time (unix seconds, as text) up to which it is projected."""


def row_id(provider_location_id: str) -> int:
    """The 64-bit identifier of a provider-location in rows, name entries and card keys."""
    return int.from_bytes(bytes.fromhex(provider_location_id.replace("-", ""))[:8], "little")


@functools.lru_cache(maxsize=65_536)  # positions are centroids of ZIP codes, of which there are fewer
def cell_of(lat: float, lon: float) -> str:
    """The H3 cell (hexadecimal) of a position in degrees."""
    return str(h3.latlng_to_cell(lat, lon, H3_RESOLUTION))


def partition_key(generation: int, specialty: int, cell: str) -> str:
    """String of `ROW`s. `specialty` is the ordinal. The hash tag keeps a partition's keys in one cluster slot."""
    return f"{generation}:p:{{{specialty}:{cell}}}"


def openings_key(generation: int, specialty: int, cell: str) -> str:
    """String of `OPENINGS`, one for each row of the partition in their order."""
    return f"{generation}:o:{{{specialty}:{cell}}}"


def openings_key_beside(partition: bytes) -> bytes:
    """The openings' key from that of their partition."""
    return partition.replace(b":p:", b":o:", 1)


def partition_of_key(key: str) -> tuple[int, str]:
    """(specialty ordinal, cell) of a partition's key."""
    specialty, _, cell = key[key.index("{") + 1 : key.index("}")].partition(":")
    return int(specialty), cell


def card_key(generation: int, row: int) -> bytes:
    """String of a card; binary key, 8 bytes of row id."""
    return card_prefix(generation) + row.to_bytes(8, "little")


def card_prefix(generation: int) -> bytes:
    """What the keys of all cards have before the row id (8 bytes, little endian)."""
    return b"%d:c:" % generation


def name_key(generation: int, word: str) -> str:
    """String of `NAME_ENTRY`s for one folded word."""
    return f"{generation}:n:{word}"


def words_key(generation: int) -> str:
    """Set of all words that have a `name_key`."""
    return f"{generation}:words"


def plan_sets_key(generation: int) -> str:
    """List: element i is plan set i, its plan ids joined by a space; element 0 is empty."""
    return f"{generation}:plan-sets"


def plan_set_index_key(generation: int) -> str:
    """Hash: digest of a plan set to its number."""
    return f"{generation}:plan-set-index"


def plans_key(generation: int) -> str:
    """Hash: plan id to the insurance plan: its version (8 bytes, little endian), then its JSON."""
    return f"{generation}:plans"


def dirty_key(generation: int) -> str:
    """Set: aggregates (partition keys of the truth) that changed while the generation was being loaded."""
    return f"{generation}:dirty"


def plan_set_digest(plans: tuple[str, ...]) -> bytes:
    """Key of a plan set in the index, from its ids in order."""
    return hashlib.blake2b(" ".join(plans).encode(), digest_size=12).digest()
