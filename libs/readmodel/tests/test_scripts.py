"""The scripts at the server: rows only move forward, and strings stay whole."""

import struct
from typing import Any

import pytest

from millrace_readmodel import layout, scripts
from millrace_readmodel.scripts import Call

KEY = "1:p:{5:cell}"


def row(number: int, version: int, mark: int = 0) -> bytes:
    return struct.pack("<QQffIIHHHBB", number, version, 0.0, 0.0, 0, mark, 5, 0, 0, 0, 0)


def removal(number: int, version: int) -> bytes:
    return struct.pack("<QQ", number, version)


async def put(redis: Any, *, rows: bytes = b"", removals: bytes = b"", force: bool = False) -> dict[int, int]:
    """The versions by row after one run of the script."""
    await scripts.run(redis, [Call(scripts.ROWS, (KEY,), (int(force), rows, removals))])
    data = await redis.get(KEY) or b""
    return {int.from_bytes(data[at : at + 8], "little"): data[at + 8] for at in range(0, len(data), 40)}


async def test_a_row_gives_way_to_higher_versions_only(redis: Any) -> None:
    assert await put(redis, rows=row(1, 3) + row(2, 3)) == {1: 3, 2: 3}
    assert await put(redis, rows=row(1, 2) + row(2, 4)) == {1: 3, 2: 4}
    assert await put(redis, rows=row(1, 2), force=True) == {1: 2, 2: 4}


async def test_a_row_of_a_higher_version_is_not_removed(redis: Any) -> None:
    await put(redis, rows=row(1, 3) + row(2, 3) + row(3, 3))
    assert await put(redis, removals=removal(1, 2) + removal(2, 3)) == {1: 3, 3: 3}
    assert await put(redis, removals=removal(1, 2), force=True) == {3: 3}
    assert await put(redis, removals=removal(3, 9) + removal(4, 9)) == {}
    assert await redis.exists(KEY) == 0


async def test_an_id_is_found_at_rows_only(redis: Any) -> None:
    """The bytes of an id may stand across two rows as well."""
    first = row(1, 1)
    across = int.from_bytes((first + row(2, 1))[36:44], "little")
    assert await put(redis, rows=first + row(2, 1)) == {1: 1, 2: 1}
    assert await put(redis, removals=removal(across, 9)) == {1: 1, 2: 1}
    assert await put(redis, rows=row(across, 1)) == {1: 1, 2: 1, across: 1}


@pytest.mark.parametrize("gone", [1, 2, 3])
async def test_the_others_stay_as_they_were(redis: Any, gone: int) -> None:
    rows = {number: row(number, 1, mark=number) for number in (1, 2, 3)}
    await put(redis, rows=b"".join(rows.values()))
    await put(redis, removals=removal(gone, 1))
    data = await redis.get(KEY)
    assert {data[at : at + 40] for at in range(0, len(data), 40)} == {rows[each] for each in rows if each != gone}


async def test_a_card_is_replaced_only_by_who_read_it(redis: Any) -> None:
    old, new = (version.to_bytes(8, "little") for version in (1, 2))
    calls = [
        Call(scripts.CARD, ("card",), (b"", old + b"first", 60)),
        Call(scripts.CARD, ("card",), (b"", old + b"too late", 60)),
        Call(scripts.CARD, ("card",), (old, new + b"second", 60)),
        Call(scripts.CARD, ("card",), (old, old, 60)),
    ]
    assert await scripts.run(redis, calls) == [1, 0, 1, 0]
    assert await redis.get("card") == new + b"second"
    assert await redis.ttl("card") == -1


async def test_a_removal_is_remembered_for_a_while(redis: Any) -> None:
    first, removed = (version.to_bytes(8, "little") for version in (1, 2))
    calls = [
        Call(scripts.CARD, ("card",), (b"", first + b"card", 60)),
        Call(scripts.CARD, ("card",), (first, removed, 60)),
        Call(scripts.CARD, ("card",), (b"", first + b"too late", 60)),
    ]
    assert await scripts.run(redis, calls) == [1, 1, 0]
    assert await redis.get("card") == removed
    assert 0 < await redis.ttl("card") <= 60


async def test_a_plan_set_has_one_number(redis: Any) -> None:
    await redis.rpush(layout.plan_sets_key(1), "")
    keys = layout.plan_set_index_key(1), layout.plan_sets_key(1)
    calls = [Call(scripts.INTERN, keys, (digest, plans)) for digest, plans in (("a", "A"), ("b", "B"), ("a", "A"))]
    assert await scripts.run(redis, calls) == [1, 2, 1]
    assert await redis.lrange(layout.plan_sets_key(1), 0, -1) == [b"", b"A", b"B"]
