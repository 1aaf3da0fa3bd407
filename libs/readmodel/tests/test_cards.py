"""Cards, rows and what changes between two of them: pure."""

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
    Collection,
    StoredCard,
    cards_of,
    content_of,
    decode_card,
    encode_card,
    encode_removal,
    name_entry_of,
    row_of,
    stamp_of,
    stored,
    version_of,
)
from millrace_readmodel.changes import Changes, Partition, changes
from millrace_readmodel.items import Item, collection_of
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
    time_zone=st.just("America/New_York"),
    sex=st.none() | st.sampled_from("FMX"),
    languages=languages,
    plans=st.just(()),
    new_patients=st.none() | st.booleans(),
    rating=st.none() | st.floats(1, 5),
    reviews=st.integers(0, 100_000),
    practice_id=st.none() | st.text(max_size=5),
    practice_name=st.none() | st.text(max_size=5),
    phone=st.none() | st.just("+12025550123"),
)
plan_sets = st.integers(0, (1 << 32) - 1)


@given(cards, plan_sets)
def test_a_stored_card_comes_back_as_it_was(card: Card, plan_set: int) -> None:
    kept = decode_card(encode_card(stored(card, plan_set)))
    assert kept == stored(card, plan_set)
    assert (kept.id, kept.npi, kept.row) == (card.id, card.npi, layout.row_id(card.id))


@given(cards, plan_sets)
def test_a_row_reads_as_the_layout_says(card: Card, plan_set: int) -> None:
    kept = stored(card, plan_set)
    (row,) = np.frombuffer(row_of(kept), layout.ROW)
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
    (entry,) = np.frombuffer(name_entry_of(kept), layout.NAME_ENTRY)
    assert all(entry[name] == row[name] for name in ("id", "lat", "lon", "specialty"))


def test_the_value_of_a_card_begins_with_its_version() -> None:
    kept = stored(card_of(), 0)
    assert version_of(encode_card(kept)) == kept.version == 5


def test_each_write_of_a_version_has_a_stamp_of_its_own() -> None:
    kept = stored(card_of(), 0)
    first = encode_card(kept)
    again = encode_card(kept, after=first)
    removed = encode_removal(5, after=again)
    assert len({stamp_of(first), stamp_of(again), stamp_of(removed)}) == 3
    assert version_of(first) == version_of(again) == version_of(removed) == 5
    assert content_of(first) == content_of(again)


def test_what_stands_in_place_of_a_removed_card_is_no_card() -> None:
    removed = encode_removal(6, after=encode_card(stored(card_of(), 0)))
    assert version_of(removed) == 6
    assert decode_card(removed) is None
    assert content_of(removed) == b""


def card_of(**changed: Any) -> Card:
    collection = Collection(
        "1000000004",
        Provider(
            npi="1000000004",
            first_name="Ada Maria",
            middle_name="M",
            last_name="O'Neil Ada",
            display_name="Ada O'Neil, MD",
            taxonomy="207N00000X",
        ),
        [location_of(IDS[0], **changed)],
        ReviewSummary(npi="1000000004", count=3, overall=4.5),
        5,
    )
    (card,) = cards_of(collection)
    return card


def location_of(identifier: str, **changed: Any) -> ProviderLocation:
    fields: dict[str, Any] = {
        "address": Address(line1="1 Main St", city="New York", state="NY", zip="10001"),
        "taxonomy": "207N00000X",
        "specialty": "dermatology",
        "position": Position(lat=40.7, lon=-74.0),
        "time_zone": "America/New_York",
        **changed,
    }
    return ProviderLocation(id=identifier, npi="1000000004", location_id="location", **fields)


def test_words_are_folded_and_stand_once() -> None:
    assert len(card_of().words) == len(set(card_of().words))
    assert {"ada", "maria", "m"} <= set(card_of().words)
    assert "md" not in card_of().words


@pytest.mark.parametrize("missing", [{"position": None}, {"specialty": None}, {"specialty": "no-such-specialty"}])
def test_what_cannot_be_found_gets_no_card(missing: dict[str, Any]) -> None:
    provider = Provider(npi="1000000004", first_name="Ada", last_name="Byron", taxonomy="207N00000X")
    collection = Collection("1000000004", provider, [location_of(IDS[0], **missing)], None, 2)
    assert cards_of(collection) == []


def test_without_a_provider_there_is_no_card() -> None:
    assert cards_of(Collection("1000000004", None, [location_of(IDS[0])], None, 2)) == []


def test_no_rating_without_reviews() -> None:
    collection = Collection(
        "1000000004",
        Provider(npi="1000000004", first_name="Ada", last_name="Byron", taxonomy="207N00000X"),
        [location_of(IDS[0])],
        ReviewSummary(npi="1000000004", count=0, overall=3.0),
        3,
    )
    assert [(card.rating, card.reviews) for card in cards_of(collection)] == [(None, 0)]


@given(st.permutations(range(5)))
def test_the_order_of_the_items_does_not_matter(order: list[int]) -> None:
    npi = "1000000004"
    items = [
        item("PROFILE", f'{{"npi":"{npi}","first_name":"A","last_name":"B","taxonomy":"207N00000X"}}'),
        *(item(f"LOCATION#{identifier}", location_json(identifier)) for identifier in IDS[:2]),
        item(f"LOCATION#{IDS[2]}", None),
        item("REVIEWS", f'{{"npi":"{npi}","count":2,"overall":4.0}}'),
    ]
    assert collection_of(npi, [items[each] for each in order]) == collection_of(npi, items)
    assert collection_of(npi, items).deleted == (IDS[2],)
    assert collection_of(npi, items).versions == 15


def item(sk: str, data: str | None) -> Item:
    return Item("PROVIDER#1000000004", sk, 3, data, "2026-11-21T00:00:00.000Z", "subject")


def location_json(identifier: str) -> str:
    return (
        f'{{"id":"{identifier}","npi":"1000000004","location_id":"x","taxonomy":"207N00000X",'
        '"address":{"line1":"1 Main St","city":"New York","state":"NY","zip":"10001"}}'
    )


variants = st.none() | st.builds(
    lambda specialty, position, words: stored(
        msgspec.structs.replace(card_of(specialty=specialty, position=position), words=words), 0
    ),
    specialties,
    st.sampled_from([Position(lat=40.7, lon=-74.0), Position(lat=34.0, lon=-118.2)]),
    st.sets(st.sampled_from(["ada", "byron", "king"])).map(sorted).map(tuple),
)


class Model:
    """What rows and name entries there are, as changes are applied to them."""

    def __init__(self) -> None:
        self.rows: set[tuple[Partition, bytes]] = set()
        self.names: dict[str, bytes] = {}

    def apply(self, change: Changes) -> None:
        targets = {change.upsert[0]} if change.upsert else set()
        self.rows = {row for row in self.rows if row[0] not in change.removed_from | targets}
        self.rows |= {change.upsert} if change.upsert else set()
        self.names = {word: entry for word, entry in self.names.items() if word not in change.removed_words}
        self.names |= dict.fromkeys(change.added_words, change.entry)

    def shows(self, card: StoredCard | None) -> bool:
        fresh = Model()
        fresh.apply(changes(IDS[0], None, card))
        return (self.rows, self.names) == (fresh.rows, fresh.names)


@given(st.lists(variants))
def test_changes_lead_from_any_card_to_any_other(history: Iterable[StoredCard | None]) -> None:
    model, old = Model(), None
    for new in history:
        model.apply(changes(IDS[0], old, new))
        assert model.shows(new)
        old = new


@given(variants, variants, variants)
def test_who_lost_takes_back_what_was_written(
    old: StoredCard | None, mine: StoredCard | None, winner: StoredCard | None
) -> None:
    model = Model()
    model.apply(changes(IDS[0], None, old))
    first = changes(IDS[0], old, mine)
    model.apply(changes(IDS[0], old, winner))
    model.apply(first)
    tried = frozenset({first.upsert[0]} if first.upsert else set()) | first.removed_from
    tried_words = first.added_words | first.removed_words
    model.apply(changes(IDS[0], winner, winner, tried=tried, tried_words=tried_words))
    assert model.shows(winner)
