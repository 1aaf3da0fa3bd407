"""Cards, rows, and the changes between two cards."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_contracts.entities import Address, Position, Provider, ProviderLocation, ReviewSummary
from millrace_readmodel import layout
from millrace_readmodel.cards import (
    Card,
    ItemCollection,
    StoredCard,
    build_cards,
    card_content,
    card_stamp,
    card_version,
    decode_card,
    encode_card,
    encode_name_entry,
    encode_removal,
    encode_row,
    to_stored_card,
)
from millrace_readmodel.changes import CardChanges, Partition, diff_cards
from millrace_readmodel.items import Item, build_collection
from millrace_reference.languages import all_languages
from millrace_reference.specialties import all_specialties

IDS = [f"00000000-0000-5000-8000-{number:012d}" for number in range(3)]
specialties = st.sampled_from([specialty.slug for specialty in all_specialties()[:20]])
positions = st.builds(Position, lat=st.floats(18, 65), lon=st.floats(-160, -66))
languages = (
    st.lists(st.sampled_from([language.code for language in all_languages()]), unique=True).map(sorted).map(tuple)
)
names = st.sampled_from(["Ada", "María José", "O'Neil", "Li", "Smith-Jones"])
addresses = st.builds(
    Address,
    line1=st.text(max_size=8),
    city=st.text(max_size=8),
    state=st.just("NY"),
    zip=st.just("10001"),
    line2=st.none() | st.text(max_size=4),
)
cards = st.builds(
    Card,
    version=st.integers(1, 1 << 40),
    id=st.uuids().map(str),
    npi=st.integers(10**9, 10**10 - 1).map(str),
    name=names,
    words=st.lists(names.map(str.lower), unique=True).map(tuple),
    taxonomy=st.just("207N00000X"),
    specialty=specialties,
    address=addresses,
    lat=st.floats(18, 65),
    lon=st.floats(-160, -66),
    time_zone=st.sampled_from(("America/New_York", "Pacific/Guam", "UTC", "Europe/Berlin")),
    sex=st.none() | st.sampled_from("FMX"),
    languages=languages,
    plans=st.just(()),
    new_patients=st.none() | st.booleans(),
    rating=st.none() | st.floats(1, 5),
    reviews=st.integers(0, 100_000),
    practice_id=st.none() | st.text(max_size=5) | st.uuids().map(str) | st.uuids().map(lambda uuid: str(uuid).upper()),
    practice_name=st.none() | st.text(max_size=5),
    phone=st.none() | st.sampled_from(("+12025550123", "+0123", "911", "")),
)
plan_sets = st.integers(0, (1 << 32) - 1)


@given(cards, plan_sets)
def test_stored_card_round_trip(card: Card, plan_set: int) -> None:
    record = decode_card(encode_card(to_stored_card(card, plan_set)))
    assert record == to_stored_card(card, plan_set)
    assert record is not None
    assert (record.id, record.npi, record.row) == (card.id, card.npi, layout.row_id(card.id))
    assert (record.time_zone, record.practice_id, record.phone) == (card.time_zone, card.practice_id, card.phone)


@given(cards, plan_sets)
def test_row_matches_layout(card: Card, plan_set: int) -> None:
    record = to_stored_card(card, plan_set)
    (row,) = np.frombuffer(encode_row(record), layout.ROW)
    assert row["id"] == layout.row_id(card.id)
    assert row["version"] == card.version
    assert row["lat"] == np.float32(card.lat)
    assert row["lon"] == np.float32(card.lon)
    assert row["plan_set"] == plan_set
    assert row["rating"] == (round(card.rating * 1000) if card.rating else 0)
    assert row["reviews"] == min(card.reviews, 65_535)
    assert row["sex"] == {None: 0, "F": 1, "M": 2, "X": 3}[card.sex]
    assert row["new_patients"] == {None: 0, False: 1, True: 2}[card.new_patients]
    spoken = {language.code for language in all_languages() if int(row["languages"]) >> language.ordinal & 1}
    assert spoken == set(card.languages)
    (entry,) = np.frombuffer(encode_name_entry(record), layout.NAME_ENTRY)
    assert all(entry[name] == row[name] for name in ("id", "lat", "lon", "specialty"))


def test_card_value_contains_version() -> None:
    record = to_stored_card(build_card(), 0)
    assert card_version(encode_card(record)) == record.version == 5


def test_each_write_of_a_version_has_a_unique_stamp() -> None:
    record = to_stored_card(build_card(), 0)
    first = encode_card(record)
    again = encode_card(record, after=first)
    removed = encode_removal(5, after=again)
    assert len({card_stamp(first), card_stamp(again), card_stamp(removed)}) == 3
    assert card_version(first) == card_version(again) == card_version(removed) == 5
    assert card_content(first) == card_content(again)


def test_removal_decodes_to_no_card() -> None:
    removed = encode_removal(6, after=encode_card(to_stored_card(build_card(), 0)))
    assert card_version(removed) == 6
    assert decode_card(removed) is None
    assert card_content(removed) == b""


def build_card(**changed: Any) -> Card:
    collection = ItemCollection(
        "1000000004",
        Provider(
            npi="1000000004",
            first_name="Ada Maria",
            middle_name="M",
            last_name="O'Neil Ada",
            display_name="Ada O'Neil, MD",
            taxonomy="207N00000X",
        ),
        [build_location(IDS[0], **changed)],
        ReviewSummary(npi="1000000004", count=3, overall=4.5),
        5,
    )
    (card,) = build_cards(collection)
    return card


def build_location(identifier: str, **changed: Any) -> ProviderLocation:
    fields: dict[str, Any] = {
        "address": Address(line1="1 Main St", city="New York", state="NY", zip="10001"),
        "taxonomy": "207N00000X",
        "specialty": "dermatology",
        "position": Position(lat=40.7, lon=-74.0),
        "time_zone": "America/New_York",
        **changed,
    }
    return ProviderLocation(id=identifier, npi="1000000004", location_id="location", **fields)


def test_words_are_folded_and_distinct() -> None:
    assert len(build_card().words) == len(set(build_card().words))
    assert {"ada", "maria", "m"} <= set(build_card().words)
    assert "md" not in build_card().words


@pytest.mark.parametrize("missing", [{"position": None}, {"specialty": None}, {"specialty": "no-such-specialty"}])
def test_unsearchable_location_has_no_card(missing: dict[str, Any]) -> None:
    provider = Provider(npi="1000000004", first_name="Ada", last_name="Byron", taxonomy="207N00000X")
    collection = ItemCollection("1000000004", provider, [build_location(IDS[0], **missing)], None, 2)
    assert build_cards(collection) == []


def test_no_card_without_provider() -> None:
    assert build_cards(ItemCollection("1000000004", None, [build_location(IDS[0])], None, 2)) == []


def test_no_rating_without_reviews() -> None:
    collection = ItemCollection(
        "1000000004",
        Provider(npi="1000000004", first_name="Ada", last_name="Byron", taxonomy="207N00000X"),
        [build_location(IDS[0])],
        ReviewSummary(npi="1000000004", count=0, overall=3.0),
        3,
    )
    assert [(card.rating, card.reviews) for card in build_cards(collection)] == [(None, 0)]


@given(st.permutations(range(5)))
def test_collection_ignores_item_order(order: list[int]) -> None:
    npi = "1000000004"
    items = [
        item("PROFILE", f'{{"npi":"{npi}","first_name":"A","last_name":"B","taxonomy":"207N00000X"}}'),
        *(item(f"LOCATION#{identifier}", location_json(identifier)) for identifier in IDS[:2]),
        item(f"LOCATION#{IDS[2]}", None),
        item("REVIEWS", f'{{"npi":"{npi}","count":2,"overall":4.0}}'),
    ]
    assert build_collection(npi, [items[each] for each in order]) == build_collection(npi, items)
    assert build_collection(npi, items).deleted == (IDS[2],)
    assert build_collection(npi, items).versions == 15


def test_pending_provider_location_has_no_card() -> None:
    pending = location_json(IDS[0]).removesuffix("}") + ',"is_pending":true}'
    found = build_collection("1000000004", [item(f"LOCATION#{IDS[0]}", pending)])
    assert (found.locations, found.deleted, found.versions) == ([], (IDS[0],), 3)


def item(sk: str, data: str | None) -> Item:
    return Item("PROVIDER#1000000004", sk, 3, data, "2026-11-21T00:00:00.000Z", "subject")


def location_json(identifier: str) -> str:
    return (
        f'{{"id":"{identifier}","npi":"1000000004","location_id":"x","taxonomy":"207N00000X",'
        '"address":{"line1":"1 Main St","city":"New York","state":"NY","zip":"10001"}}'
    )


variants = st.none() | st.builds(
    lambda specialty, position, words: to_stored_card(
        msgspec.structs.replace(build_card(specialty=specialty, position=position), words=words), 0
    ),
    specialties,
    st.sampled_from([Position(lat=40.7, lon=-74.0), Position(lat=34.0, lon=-118.2)]),
    st.sets(st.sampled_from(["ada", "byron", "king"])).map(sorted).map(tuple),
)


class ModelState:
    """Rows and name entries of the read model, to which a test applies changes."""

    def __init__(self) -> None:
        self.rows: set[tuple[Partition, bytes]] = set()
        self.names: dict[str, bytes] = {}

    def apply(self, change: CardChanges) -> None:
        targets = {change.upsert[0]} if change.upsert else set()
        self.rows = {row for row in self.rows if row[0] not in change.removed_from | targets}
        self.rows |= {change.upsert} if change.upsert else set()
        self.names = {word: entry for word, entry in self.names.items() if word not in change.removed_words}
        self.names |= dict.fromkeys(change.added_words, change.entry)

    def matches(self, card: StoredCard | None) -> bool:
        fresh = ModelState()
        fresh.apply(diff_cards(IDS[0], None, card))
        return (self.rows, self.names) == (fresh.rows, fresh.names)


@given(st.lists(variants))
def test_changes_lead_from_any_card_to_any_other(history: Iterable[StoredCard | None]) -> None:
    model, old = ModelState(), None
    for new in history:
        model.apply(diff_cards(IDS[0], old, new))
        assert model.matches(new)
        old = new


@given(variants, variants, variants)
def test_losing_writer_removes_its_writes(
    old: StoredCard | None, mine: StoredCard | None, winner: StoredCard | None
) -> None:
    model = ModelState()
    model.apply(diff_cards(IDS[0], None, old))
    first = diff_cards(IDS[0], old, mine)
    model.apply(diff_cards(IDS[0], old, winner))
    model.apply(first)
    tried = frozenset({first.upsert[0]} if first.upsert else set()) | first.removed_from
    tried_words = first.added_words | first.removed_words
    model.apply(diff_cards(IDS[0], winner, winner, tried=tried, tried_words=tried_words))
    assert model.matches(winner)
