"""Draw fictitious practices at random: location, specialties, and number of providers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from millrace_reference.demo.areas import Area, populated_places
from millrace_reference.demo.sampling import WeightedChoice
from millrace_reference.places import Place
from millrace_reference.tables import read_rows

_SIZES = WeightedChoice([(1, 50), (2, 15), (3, 10), (4, 7), (5, 5), (6, 4), (8, 3), (10, 2), (15, 2), (25, 1), (40, 1)])
_SOLO_WITH_NAME = 0.3


@dataclass(frozen=True, slots=True)
class Address:
    """A fictitious address, spelled as in NPPES: upper case, ZIP code of 5 or 9 digits without a dash."""

    line1: str
    line2: str
    city: str
    state: str
    zip: str


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of provider in a practice: taxonomy code, percentage of women, and possible credentials."""

    taxonomy: str
    female: float
    credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of practice: the roles of its providers with their frequencies, and last parts of its name."""

    roles: WeightedChoice[Role]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Practice:
    """A fictitious practice with `size` providers. `name` is empty for most practices of a single provider."""

    name: str
    address: Address
    phone: str
    group: Group
    size: int


def draw_practice(random: Random, area: Area) -> Practice:
    """Return a random practice in the area; the more people live in a ZIP code, the more practices it has."""
    group = _groups().draw(random)
    size = _SIZES.draw(random)
    place, area_code = populated_places(area).draw(random)
    named = size > 1 or random.random() < _SOLO_WITH_NAME
    return Practice(
        name=_name(random, group, place) if named else "",
        address=_address(random, place),
        phone=f"{area_code}55501{random.randrange(100):02}",  # 555-01xx is reserved for fictitious numbers
        group=group,
        size=size,
    )


@cache
def _groups() -> WeightedChoice[Group]:
    parts: dict[str, list[dict[str, str]]] = {}
    for row in read_rows("groups.csv", "millrace_reference.demo.data"):
        parts.setdefault(row["group"], []).append(row)
    return WeightedChoice((_group(rows_of_group), float(rows_of_group[0]["share"])) for rows_of_group in parts.values())


def _group(parts: list[dict[str, str]]) -> Group:
    roles = WeightedChoice(
        (Role(row["taxonomy"], float(row["female"]), tuple(row["credentials"].split("|"))), float(row["weight"]))
        for row in parts
    )
    return Group(roles, tuple(parts[0]["names"].split("|")))


@cache
def _word_lists() -> Mapping[str, tuple[str, ...]]:
    rows = read_rows("streets.csv", "millrace_reference.demo.data")
    return {row["kind"]: tuple(row["names"].split("|")) for row in rows}


def _name(random: Random, group: Group, place: Place) -> str:
    brand = place.city.upper() if random.random() < 0.25 else random.choice(_word_lists()["brand"])
    form = random.choice(_word_lists()["form"])
    return f"{brand} {random.choice(group.names)}" + (f", {form}" if form else "")


def _address(random: Random, place: Place) -> Address:
    street = (
        str(random.randrange(1, 9_900)),
        random.choice(_word_lists()["direction"]),
        random.choice(_word_lists()["street"]),
        random.choice(_word_lists()["type"]),
    )
    unit = random.choice(_word_lists()["unit"])
    route = f"{random.randrange(1_001, 9_999)}" if random.random() < 0.7 else ""
    return Address(
        line1=" ".join(filter(None, street)),
        line2=f"{unit} {random.randrange(1, 900)}" if unit else "",
        city=place.city.upper(),
        state=place.state,
        zip=place.zip + route,
    )
