"""Decode the rows of partitions into arrays for queries.

An area is the rows of all partitions that a search reads. The *traits* of a row are its facet values as 64 bits.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from millrace_readmodel.layout import ROW, Rows
from millrace_search.engine.ranking import merit
from millrace_search.engine.sphere import Floats, set_unit_vectors

RATING_STEPS: Final = (3.0, 3.5, 4.0, 4.5)
"""Lower bounds (stars) of the values of the rating facet."""
LANGUAGE_BITS: Final = slice(0, 32)
"""Bit positions in traits of languages, by ordinal."""
SEX_BITS: Final = slice(32, 35)
"""Bit positions in traits of the sexes F, M and X."""
NEW_PATIENTS_BITS: Final = slice(35, 37)
"""Bit positions in traits of accepting and not accepting new patients."""
RATING_BITS: Final = slice(37, 37 + len(RATING_STEPS))
"""Bit positions in traits of a rating at or above each step. Higher bits contain the specialty's ordinal."""
_SPECIALTY_SHIFT: Final = np.uint64(RATING_BITS.stop)

Ids = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


def _bit(number: int) -> int:
    return 1 << number


_SEXES: Final = np.array([0, *map(_bit, range(SEX_BITS.start, SEX_BITS.stop))], dtype=np.uint64)
"""Trait bits by the row's `sex`: unknown, F, M, X."""
_NEW_PATIENTS: Final = np.array(
    [0, _bit(NEW_PATIENTS_BITS.start + 1), _bit(NEW_PATIENTS_BITS.start), 0], dtype=np.uint64
)
"""Trait bits by the row's `new_patients`: unknown, no, yes; 3 is unused."""
_STEPS: Final = np.array([round(step * 1000) for step in RATING_STEPS])
_RATINGS: Final = np.array(
    [sum(map(_bit, range(RATING_BITS.start, RATING_BITS.start + steps))) for steps in range(len(RATING_STEPS) + 1)],
    dtype=np.uint64,
)
"""Trait bits by the number of rating steps reached."""


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """Columns of `n` rows. Columns of one type share an array, as array headers dominate the size of small areas."""

    keys: Ids
    """Shape (3, n): ids, versions, traits."""
    measures: Floats
    """Shape (4, n): unit vector of the position (3), merit."""
    numbers: Ints
    """Shape (2, n): number of the plan set, rating in thousandths (0: none)."""
    highest_plan_set: int

    def __len__(self) -> int:
        return int(self.keys.shape[1])

    @property
    def nbytes(self) -> int:
        return 800 + self.keys.nbytes + self.measures.nbytes + self.numbers.nbytes

    @property
    def ids(self) -> Ids:
        return self.keys[0, :]

    @property
    def traits(self) -> Ids:
        """Facet values and specialty of each row as 64 bits, at the positions in `LANGUAGE_BITS`, `SEX_BITS` etc."""
        return self.keys[2, :]

    @property
    def vectors(self) -> Floats:
        """Unit vectors of the positions, shape (3, n)."""
        return self.measures[:3]

    @property
    def merits(self) -> Floats:
        """Part of each row's relevance that doesn't depend on the query (`ranking.merit`); higher is better."""
        return self.measures[3, :]

    @property
    def plan_sets(self) -> Ints:
        return self.numbers[0, :]

    @property
    def ratings(self) -> Ints:
        """Rating of each row in thousandths of a star; 0 without a rating."""
        return self.numbers[1, :]


def build_area(value: bytes) -> Area:
    """Decode the concatenated rows of partitions into an area; raise `ValueError` for an incomplete row."""
    rows = np.frombuffer(value, dtype=ROW)
    n = len(rows)
    keys, measures, numbers = np.empty((3, n), np.uint64), np.empty((4, n)), np.empty((2, n), np.intp)
    keys[0], keys[1] = rows["id"], rows["version"]
    numbers[0], numbers[1] = rows["plan_set"], rows["rating"]
    set_unit_vectors(measures[:3], rows["lat"], rows["lon"])
    merit(numbers[1], rows["reviews"], rows["new_patients"], out=measures[3])
    _set_traits(keys[2], rows, numbers[1])
    return Area(keys, measures, numbers, int(numbers[0].max()) if n else 0)


def _set_traits(traits: Ids, rows: Rows, ratings: Ints) -> None:
    traits[:] = rows["specialty"]
    traits <<= _SPECIALTY_SHIFT
    traits |= rows["languages"]
    traits |= _SEXES[rows["sex"]]
    traits |= _NEW_PATIENTS[rows["new_patients"]]
    traits |= _RATINGS[_STEPS.searchsorted(ratings, side="right")]


EMPTY_AREA: Final = build_area(b"")


def sex_trait(sex: int) -> int:
    """Return the bit mask in traits of a sex: 1 F, 2 M, 3 X."""
    return _bit(SEX_BITS.start + sex - 1)


def new_patients_trait(new_patients: int) -> int:
    """Return the bit mask in traits of `new_patients`: 1 no, 2 yes."""
    return _bit(NEW_PATIENTS_BITS.stop - new_patients)


def language_trait(language: int) -> int:
    """Return the bit mask in traits of the language with this ordinal."""
    return _bit(language)


def bits(traits: Ids) -> npt.NDArray[np.uint8]:
    """Unpack traits into an (n, 64) array of zeros and ones."""
    return np.unpackbits(traits.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")


def specialties(traits: Ids) -> Ints:
    """Return the specialty ordinal in each of `n` traits."""
    return (traits >> _SPECIALTY_SHIFT).astype(np.intp)
