"""Practices: where they are, what they do, how many see patients there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from millrace_reference.demo.sampling import Weighted
from millrace_reference.places import Place, place
from millrace_reference.tables import rows

_SIZES = Weighted(
    [(1, 50), (2, 15), (3, 10), (4, 7), (5, 5), (6, 4), (8, 3), (10, 2), (15, 2), (25, 1), (40, 1)],
)
_NAMED_SOLO = 0.3


@dataclass(frozen=True, slots=True)
class Address:
    """As a register writes it: upper case, 5 or 9 digits of ZIP code without a dash."""

    line1: str
    line2: str
    city: str
    state: str
    zip: str


@dataclass(frozen=True, slots=True)
class Role:
    """What someone in a practice is. `female` is the share of women, in percent."""

    taxonomy: str
    female: float
    credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of practice: its roles as they occur, and what such practices are called."""

    roles: Weighted[Role]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Practice:
    """A place with a telephone where `size` people see patients. `name` is empty where one person works alone."""

    name: str
    address: Address
    phone: str
    group: Group
    size: int


def draw_practice(random: Random) -> Practice:
    """The next practice, wherever people live."""
    group = _groups().draw(random)
    size = _SIZES.draw(random)
    where, area_code = _homes().draw(random)
    named = size > 1 or random.random() < _NAMED_SOLO
    return Practice(
        name=_name(random, group, where) if named else "",
        address=_address(random, where),
        phone=f"{area_code}55501{random.randrange(100):02}",  # 555-01xx is kept free for made-up numbers
        group=group,
        size=size,
    )


@cache
def _homes() -> Weighted[tuple[Place, str]]:
    found = ((place(row["zip"]), row) for row in rows("people.csv.gz", "millrace_reference.demo.data"))
    return Weighted(((where, row["area_code"]), float(row["people"])) for where, row in found if where is not None)


@cache
def _groups() -> Weighted[Group]:
    parts: dict[str, list[dict[str, str]]] = {}
    for row in rows("groups.csv", "millrace_reference.demo.data"):
        parts.setdefault(row["group"], []).append(row)
    return Weighted((_group(of_group), float(of_group[0]["share"])) for of_group in parts.values())


def _group(parts: list[dict[str, str]]) -> Group:
    roles = Weighted(
        (Role(row["taxonomy"], float(row["female"]), tuple(row["credentials"].split("|"))), float(row["weight"]))
        for row in parts
    )
    return Group(roles, tuple(parts[0]["names"].split("|")))


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    return {row["kind"]: tuple(row["names"].split("|")) for row in rows("streets.csv", "millrace_reference.demo.data")}


def _name(random: Random, group: Group, where: Place) -> str:
    brand = where.city.upper() if random.random() < 0.25 else random.choice(_words()["brand"])
    form = random.choice(_words()["form"])
    return f"{brand} {random.choice(group.names)}" + (f", {form}" if form else "")


def _address(random: Random, where: Place) -> Address:
    street = (
        str(random.randrange(1, 9_900)),
        random.choice(_words()["direction"]),
        random.choice(_words()["street"]),
        random.choice(_words()["type"]),
    )
    unit = random.choice(_words()["unit"])
    route = f"{random.randrange(1_001, 9_999)}" if random.random() < 0.7 else ""
    return Address(
        line1=" ".join(filter(None, street)),
        line2=f"{unit} {random.randrange(1, 900)}" if unit else "",
        city=where.city.upper(),
        state=where.state,
        zip=where.zip + route,
    )
