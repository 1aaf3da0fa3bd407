"""Server-side scripts: versions only rise, and strings stay valid."""

import struct
from typing import Any

import pytest

from millrace_readmodel import layout, scripts
from millrace_readmodel.scripts import Call

KEY = "1:p:{5:cell}"
OPENINGS_KEY = "1:o:{5:cell}"


def row(number: int, version: int, mark: int = 0) -> bytes:
    return struct.pack("<QQffIIHHHBB", number, version, 0.0, 0.0, 0, mark, 5, 0, 0, 0, 0)


def removal(number: int, version: int) -> bytes:
    return struct.pack("<QQ", number, version)


async def put(redis: Any, *, rows: bytes = b"", removals: bytes = b"", force: bool = False) -> dict[int, int]:
    """Run the script that puts and removes rows; return the versions of all rows by id."""
    await scripts.run(redis, [Call(scripts.ROWS, (KEY, OPENINGS_KEY), (int(force), rows, removals))])
    data = await redis.get(KEY) or b""
    return {int.from_bytes(data[at : at + 8], "little"): data[at + 8] for at in range(0, len(data), 40)}


async def test_only_higher_versions_replace_a_row(redis: Any) -> None:
    assert await put(redis, rows=row(1, 3) + row(2, 3)) == {1: 3, 2: 3}
    assert await put(redis, rows=row(1, 2) + row(2, 4)) == {1: 3, 2: 4}
    assert await put(redis, rows=row(1, 2), force=True) == {1: 2, 2: 4}


async def test_row_of_higher_version_is_not_removed(redis: Any) -> None:
    await put(redis, rows=row(1, 3) + row(2, 3) + row(3, 3))
    assert await put(redis, removals=removal(1, 2) + removal(2, 3)) == {1: 3, 3: 3}
    assert await put(redis, removals=removal(1, 2), force=True) == {3: 3}
    assert await put(redis, removals=removal(3, 9) + removal(4, 9)) == {}
    assert await redis.exists(KEY) == 0


async def test_id_matches_only_at_row_boundaries(redis: Any) -> None:
    """The bytes of an id can also occur across two rows."""
    first = row(1, 1)
    across = int.from_bytes((first + row(2, 1))[36:44], "little")
    assert await put(redis, rows=first + row(2, 1)) == {1: 1, 2: 1}
    assert await put(redis, removals=removal(across, 9)) == {1: 1, 2: 1}
    assert await put(redis, rows=row(across, 1)) == {1: 1, 2: 1, across: 1}


@pytest.mark.parametrize("gone", [1, 2, 3])
async def test_removal_leaves_other_rows_unchanged(redis: Any, gone: int) -> None:
    rows = {number: row(number, 1, mark=number) for number in (1, 2, 3)}
    await put(redis, rows=b"".join(rows.values()))
    await put(redis, removals=removal(gone, 1))
    data = await redis.get(KEY)
    assert {data[at : at + 40] for at in range(0, len(data), 40)} == {rows[each] for each in rows if each != gone}


async def test_card_is_replaced_only_with_expected_stamp(redis: Any) -> None:
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


async def test_removal_blocks_older_writes_until_it_expires(redis: Any) -> None:
    first, removed = (version.to_bytes(8, "little") for version in (1, 2))
    calls = [
        Call(scripts.CARD, ("card",), (b"", first + b"card", 60)),
        Call(scripts.CARD, ("card",), (first, removed, 60)),
        Call(scripts.CARD, ("card",), (b"", first + b"too late", 60)),
    ]
    assert await scripts.run(redis, calls) == [1, 1, 0]
    assert await redis.get("card") == removed
    assert 0 < await redis.ttl("card") <= 60


async def test_plan_set_has_one_number(redis: Any) -> None:
    await redis.rpush(layout.plan_sets_key(1), "")
    keys = layout.plan_set_index_key(1), layout.plan_sets_key(1)
    calls = [Call(scripts.INTERN, keys, (digest, plans)) for digest, plans in (("a", "A"), ("b", "B"), ("a", "A"))]
    assert await scripts.run(redis, calls) == [1, 2, 1]
    assert await redis.lrange(layout.plan_sets_key(1), 0, -1) == [b"", b"A", b"B"]
