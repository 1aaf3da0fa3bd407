"""A country of generated providers for benchmarks: the same for the same seed, distributed like a real one.

Locations cluster around metropolitan areas by population, specialties and names follow a long-tailed distribution,
plans come as a few hundred sets, like contracts between issuers and practices. Every provider has one location.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from millrace_contracts import entities
from millrace_contracts.entities import Address, Position, Provider, ProviderLocation, ReviewSummary
from millrace_readmodel.cards import Card, ItemCollection, build_cards
from millrace_readmodel.layout import DAYS, VISIT_KINDS, row_id
from millrace_readmodel.openings import WeekSummary, build_entry, part_of
from millrace_readmodel.zones import day_number, first_day_of_week, week_of_day, zone_number
from millrace_reference.addresses import location_id
from millrace_reference.npi import npi_check_digit
from millrace_reference.specialties import Specialty, all_specialties


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


METROS: Final = (  # name, state, latitude, longitude, time zone, population in thousands
    ("New York", "NY", 40.71, -74.01, "America/New_York", 19_500),
    ("Los Angeles", "CA", 34.05, -118.24, "America/Los_Angeles", 12_800),
    ("Chicago", "IL", 41.88, -87.63, "America/Chicago", 9_260),
    ("Dallas", "TX", 32.78, -96.80, "America/Chicago", 8_100),
    ("Houston", "TX", 29.76, -95.37, "America/Chicago", 7_500),
    ("Atlanta", "GA", 33.75, -84.39, "America/New_York", 6_300),
    ("Washington", "DC", 38.91, -77.04, "America/New_York", 6_300),
    ("Philadelphia", "PA", 39.95, -75.17, "America/New_York", 6_250),
    ("Miami", "FL", 25.76, -80.19, "America/New_York", 6_180),
    ("Phoenix", "AZ", 33.45, -112.07, "America/Phoenix", 5_070),
    ("Boston", "MA", 42.36, -71.06, "America/New_York", 4_920),
    ("Riverside", "CA", 33.95, -117.40, "America/Los_Angeles", 4_690),
    ("San Francisco", "CA", 37.77, -122.42, "America/Los_Angeles", 4_570),
    ("Detroit", "MI", 42.33, -83.05, "America/Detroit", 4_340),
    ("Seattle", "WA", 47.61, -122.33, "America/Los_Angeles", 4_040),
    ("Minneapolis", "MN", 44.98, -93.27, "America/Chicago", 3_710),
    ("Tampa", "FL", 27.95, -82.46, "America/New_York", 3_340),
    ("San Diego", "CA", 32.72, -117.16, "America/Los_Angeles", 3_270),
    ("Denver", "CO", 39.74, -104.99, "America/Denver", 3_000),
    ("Baltimore", "MD", 39.29, -76.61, "America/New_York", 2_830),
    ("Orlando", "FL", 28.54, -81.38, "America/New_York", 2_820),
    ("Charlotte", "NC", 35.23, -80.84, "America/New_York", 2_800),
    ("St. Louis", "MO", 38.63, -90.20, "America/Chicago", 2_800),
    ("San Antonio", "TX", 29.42, -98.49, "America/Chicago", 2_700),
    ("Portland", "OR", 45.52, -122.68, "America/Los_Angeles", 2_510),
    ("Pittsburgh", "PA", 40.44, -79.99, "America/New_York", 2_420),
    ("Las Vegas", "NV", 36.17, -115.14, "America/Los_Angeles", 2_340),
    ("Cincinnati", "OH", 39.10, -84.51, "America/New_York", 2_270),
    ("Kansas City", "MO", 39.10, -94.58, "America/Chicago", 2_220),
    ("Columbus", "OH", 39.96, -83.00, "America/New_York", 2_180),
    ("Cleveland", "OH", 41.50, -81.69, "America/New_York", 2_160),
    ("Nashville", "TN", 36.16, -86.78, "America/Chicago", 2_100),
    ("Salt Lake City", "UT", 40.76, -111.89, "America/Denver", 1_270),
    ("New Orleans", "LA", 29.95, -90.07, "America/Chicago", 960),
    ("Albuquerque", "NM", 35.08, -106.65, "America/Denver", 920),
    ("Honolulu", "HI", 21.31, -157.86, "Pacific/Honolulu", 990),
    ("Boise", "ID", 43.62, -116.20, "America/Boise", 820),
    ("Des Moines", "IA", 41.59, -93.62, "America/Chicago", 730),
    ("Anchorage", "AK", 61.22, -149.90, "America/Anchorage", 400),
    ("Fargo", "ND", 46.88, -96.79, "America/Chicago", 260),
)
FIRST_NAMES: Final = _listed(
    "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph "
    "Jessica Thomas Karen Christopher Sarah Charles Lisa Daniel Nancy Matthew Sandra Anthony Ashley Mark Emily "
    "Steven Kimberly Andrew Margaret Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa Timothy "
    "Deborah Ronald Stephanie Jason Rebecca José María Wei Priya Fatima Ahmed Olga Dmitri Yuki Chloé Zoë Ngozi "
    "Kwame Leilani Siobhán Björn"
)
LAST_NAMES: Final = _listed(
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis "
    "Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera "
    "Campbell Mitchell Carter Roberts Patel Kim Chen Khan Singh Cohen Schwartz O'Connell Ibáñez Müller Okafor "
    "Kowalski Johansson Nakamura Haddad"
)
STREETS: Final = _listed("Main Oak Maple Cedar Elm Washington Lake Hill Park Church Center Medical College Spring Mill")
SUITES: Final = (None, None, "Suite 100", "Suite 210", "Floor 3")
LANGUAGES: Final = (("en",), ("en",), ("en",), ("en", "es"), ("en", "es"), ("en", "zh"), ("ar", "en"), ("en", "vi"))
ZIPS: Final = 33_000
PLAN_SETS: Final = 400
PRACTICES: Final = 60_000
CALENDARS: Final = 100
"""Number of different calendars per time zone."""
CHUNK: Final = 10_000
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Zip:
    code: str
    city: str
    state: str
    time_zone: str
    position: Position


@dataclass(frozen=True, slots=True)
class Country:
    """The values that providers are drawn from, with weights."""

    zips: tuple[Zip, ...]
    zip_weights: npt.NDArray[np.float64]
    specialties: tuple[Specialty, ...]
    specialty_weights: npt.NDArray[np.float64]
    surnames: tuple[str, ...]
    surname_weights: npt.NDArray[np.float64]
    plan_sets: tuple[tuple[str, ...], ...]
    plan_set_weights: npt.NDArray[np.float64]


def cards(n: int, *, seed: int = 1) -> Iterator[Card]:
    """Generate the cards of `n` provider-locations."""
    for provider, location, reviews in providers(n, seed=seed):
        yield from build_cards(
            ItemCollection(provider.npi, provider, (location,), reviews, versions=3 if reviews else 2)
        )


def openings(today: date, *, seed: int = 1) -> Callable[[Card], bytes]:
    """Return a function that generates the openings of a card, from nearly full to nearly free.

    Calendars are drawn from `CALENDARS` per zone: weekdays and hours of the practice, the booked share (lower
    further ahead), and which times are for video visits or new patients.
    """
    generator = np.random.default_rng((seed, 11))
    made: dict[int, list[bytes]] = {}

    def entry(card: Card) -> bytes:
        zone = zone_number(card.time_zone)
        if zone not in made:
            made[zone] = [_calendar(generator, zone, day_number(today)) for _ in range(CALENDARS)]
        row = row_id(card.id)
        return (row & 0xFFFF).to_bytes(2, "little") + made[zone][(row >> 16) % CALENDARS][2:]

    return entry


def _calendar(generator: np.random.Generator, zone: int, since: int) -> bytes:
    opens, hours = int(generator.integers(7, 11)), int(generator.integers(4, 12))
    minutes = int(generator.choice((15, 20, 30, 45)))
    taken, weekdays = generator.random(), generator.random(7) < (0.9, 0.9, 0.9, 0.9, 0.8, 0.2, 0.05)
    video, fresh = generator.random() < 0.5, float(generator.random())
    weeks = []
    for week in range(week_of_day(since), week_of_day(since + DAYS - 1) + 1):
        bits, counts, firsts = [0] * 7, [0] * 7, dict[tuple[int, int], int]()
        for weekday in range(7):
            day = first_day_of_week(week) + weekday
            share = 1 - taken * (1 - (day - since) / (1.5 * DAYS))
            if not weekdays[weekday] or not since <= day < since + 60:
                continue
            for minute in range(60 * opens, 60 * (opens + hours), minutes):
                if generator.random() > share:
                    continue
                part = part_of(minute)
                kinds = [2 * mode + new for mode in range(1 + video) for new in range(1 + (generator.random() < fresh))]
                bits[weekday] |= sum(1 << VISIT_KINDS * part + kind for kind in kinds)
                counts[weekday] += 1
                firsts.setdefault((day, part), minute)
        times = [(day, minute) for (day, _), minute in firsts.items()]
        weeks.append(WeekSummary(week, 1 + int(generator.integers(0, 500)), bits, counts, times))
    return build_entry(0, zone, since, weeks)


def providers(n: int, *, seed: int = 1) -> Iterator[tuple[Provider, ProviderLocation, ReviewSummary | None]]:
    """Generate `n` normalized providers with one provider-location each; a third of them has reviews."""
    nation = country(seed)
    generator = np.random.default_rng(seed)
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        zips = generator.choice(len(nation.zips), size, p=nation.zip_weights)
        specialties = generator.choice(len(nation.specialties), size, p=nation.specialty_weights)
        surnames = generator.choice(len(nation.surnames), size, p=nation.surname_weights)
        plan_sets = generator.choice(len(nation.plan_sets), size, p=nation.plan_set_weights)
        noise = generator.integers(0, 1 << 31, (size, 3))
        for i in range(size):
            place, specialty = nation.zips[zips[i]], nation.specialties[specialties[i]]
            a, b, c = (int(value) for value in noise[i])
            provider = _provider(start + i, nation.surnames[surnames[i]], specialty, a)
            location = _location(provider, place, nation.plan_sets[plan_sets[i]], b)
            yield provider, location, _reviews(provider.npi, c) if c % 3 == 0 else None


def _provider(number: int, surname: str, specialty: Specialty, noise: int) -> Provider:
    first9 = f"{100_000_000 + number}"
    first = FIRST_NAMES[noise % len(FIRST_NAMES)]
    middle = chr(ord("A") + noise // 101 % 26) if noise // 7 % 3 else None
    taxonomy = specialty.taxonomies[0]
    return Provider(
        npi=f"{first9}{npi_check_digit(first9)}",
        first_name=first,
        middle_name=middle,
        last_name=surname,
        credential="MD",
        display_name=f"{first} {middle + '. ' if middle else ''}{surname}, MD",
        taxonomy=taxonomy,
        taxonomies=(taxonomy,),
        specialty=specialty.slug,
        sex="F" if noise // 13 % 2 else "M",
        languages=LANGUAGES[noise // 17 % len(LANGUAGES)],
    )


def _location(provider: Provider, place: Zip, plans: tuple[str, ...], noise: int) -> ProviderLocation:
    address = Address(
        line1=f"{1 + noise % 9000} {STREETS[noise // 9 % len(STREETS)]} St",
        line2=SUITES[noise // 23 % len(SUITES)],
        city=place.city,
        state=place.state,
        zip=place.code,
    )
    location = location_id(
        line1=address.line1, line2=address.line2, city=address.city, state=address.state, zip5=address.zip
    )
    practice = noise // 29 % PRACTICES
    return ProviderLocation(
        id=entities.provider_location_id(provider.npi, location),
        npi=provider.npi,
        location_id=location,
        address=address,
        taxonomy=provider.taxonomy,
        specialty=provider.specialty,
        practice_id=_practice_id(practice) if practice % 2 else None,
        practice_name=f"{place.city} {STREETS[practice % len(STREETS)]} Medical Group" if practice % 2 else None,
        phone=f"+1{2_000_000_000 + noise}",
        accepted_plans=plans,
        new_patients=(None, True, False)[noise // 31 % 3],
        position=place.position,
        time_zone=place.time_zone,
    )


def _reviews(npi: str, noise: int) -> ReviewSummary:
    return ReviewSummary(npi=npi, count=1 + noise // 3 % 200, overall=round(3 + noise % 2000 / 1000, 3))


@functools.lru_cache(maxsize=2 * PRACTICES)
def _practice_id(number: int) -> str:
    return entities.practice_id(str(number))


@functools.lru_cache(maxsize=4)
def country(seed: int) -> Country:
    """Return the locations, specialties, names and plans of a seed."""
    generator = np.random.default_rng((seed, 0))
    specialties = tuple(specialty for specialty in all_specialties() if specialty.listed)
    surnames = (*LAST_NAMES, *(f"{a}{b.lower()}" for a in LAST_NAMES[::2] for b in LAST_NAMES[1::2] if b.isalpha()))
    return Country(
        zips=_zips(generator),
        zip_weights=_normalized(generator.pareto(2.0, ZIPS) + 0.2),
        specialties=specialties,
        specialty_weights=_long_tail(len(specialties), 0.9),
        surnames=surnames,
        surname_weights=_long_tail(len(surnames), 0.8),
        plan_sets=((), *(_plan_set(generator) for _ in range(PLAN_SETS))),
        plan_set_weights=_long_tail(PLAN_SETS + 1, 0.7),
    )


def _zips(generator: np.random.Generator) -> tuple[Zip, ...]:
    """Return ZIP codes weighted by the population of their metropolitan area; a fifth is far outside."""
    weights = _normalized(np.array([metro[5] for metro in METROS], dtype=np.float64))
    of = generator.choice(len(METROS), ZIPS, p=weights)
    spread = np.where(generator.random(ZIPS) < 0.2, 2.5, 0.3)
    offsets = generator.normal(0.0, 1.0, (ZIPS, 2)) * spread[:, None]
    zips = []
    for number, (metro, (north, east)) in enumerate(zip(of, offsets, strict=True)):
        name, state, lat, lon, time_zone, _ = METROS[metro]
        position = Position(lat=round(float(lat + north), 4), lon=round(float(lon + east), 4))
        zips.append(Zip(f"{number * 3 + 501:05d}", name, state, time_zone, position))
    return tuple(zips)


def _plan_set(generator: np.random.Generator) -> tuple[str, ...]:
    size = int(generator.integers(2, 40))
    return tuple(sorted({f"{10_000 + n // 12:05d}AA{n:07d}" for n in generator.integers(0, 2_000, size)}))


def _long_tail(n: int, exponent: float) -> npt.NDArray[np.float64]:
    return _normalized(1.0 / np.power(np.arange(n, dtype=np.float64) + 3.0, exponent))


def _normalized(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    scaled: npt.NDArray[np.float64] = weights / weights.sum()
    return scaled
