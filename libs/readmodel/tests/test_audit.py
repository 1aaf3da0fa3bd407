"""The audit reports every kind of corruption of the read model."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from millrace_readmodel import layout
from millrace_readmodel.audit import DifferenceKind
from millrace_readmodel.rebuild import Rebuild
from millrace_readmodel.writer import ReadModelWriter

from .conftest import Make

NPI, OTHER = "1000000004", "1000000012"
PLANES_OFFSET = {name: field[1] for name, field in (layout.OPENINGS.fields or {}).items()}["planes"]
OFFSETS = {name: field[1] for name, field in (layout.ROW.fields or {}).items()}
NOW = datetime(2026, 11, 23, 15, tzinfo=UTC).timestamp()
CELL = layout.cell_at(40.71, -74.01)


@pytest.fixture
async def generation(redis: Any, truth: Any, make: Any) -> int:
    for npi in (NPI, OTHER):
        await truth.put([make.provider(npi, 1), make.location(npi, 2, plans=("A",)), make.plan("A", 1)])
    await truth.put([make.week(NPI, 1, "2026-11-24T09:00:00-05:00")])
    return (await Rebuild(redis, truth, ReadModelWriter(redis, truth), now=lambda: NOW, grace=0.0).run()).generation


async def partition(redis: Any, generation: int) -> str:
    keys = await redis.keys(f"{generation}:p:*")
    assert len(keys) == 1
    return str(keys[0].decode())


def run(command: str, key: str, *arguments: Any) -> Any:
    """Return a function that runs a Redis command on a key, in which it inserts the generation's number."""

    async def corrupt(redis: Any, generation: int, card: bytes) -> None:
        await redis.execute_command(command, key.format(generation=generation), *arguments)

    return corrupt


async def lose_card(redis: Any, generation: int, card: bytes) -> None:
    await redis.delete(card)


async def age_card(redis: Any, generation: int, card: bytes) -> None:
    value = await redis.get(card)
    await redis.set(card, value[:-1] + b"\x02")


async def garble_card(redis: Any, generation: int, card: bytes) -> None:
    value = await redis.get(card)
    await redis.set(card, value.replace(b"Lovelace", b"Lavalace"))


async def truncate_card(redis: Any, generation: int, card: bytes) -> None:
    await redis.set(card, (await redis.get(card))[:20])


async def orphan_card(redis: Any, generation: int, card: bytes) -> None:
    await redis.copy(card, layout.card_key(generation, 77))


async def lose_rows(redis: Any, generation: int, card: bytes) -> None:
    await redis.delete(await partition(redis, generation))


async def change_row(redis: Any, generation: int, card: bytes) -> None:
    await redis.setrange(await partition(redis, generation), OFFSETS["rating"], b"\x01")


async def age_row(redis: Any, generation: int, card: bytes) -> None:
    await redis.setrange(await partition(redis, generation), OFFSETS["version"], b"\x01")


async def double_row(redis: Any, generation: int, card: bytes) -> None:
    key = await partition(redis, generation)
    await redis.append(key, (await redis.get(key))[: layout.ROW.itemsize])


async def orphan_row(redis: Any, generation: int, card: bytes) -> None:
    await redis.set(layout.partition_key(generation, 5, CELL), np.zeros(1, layout.ROW).tobytes())


async def tear_row(redis: Any, generation: int, card: bytes) -> None:
    await redis.append(await partition(redis, generation), b"torn")


async def locate_openings(redis: Any, generation: int, number: int = 0) -> tuple[str, int]:
    """Return the Redis key that contains a provider's openings, and their offset in bytes."""
    key = await partition(redis, generation)
    ids = np.frombuffer(await redis.get(key), layout.ROW)["id"].tolist()
    row = layout.row_id(Make().location_id((NPI, OTHER)[number]))
    return key.replace(":p:", ":o:"), ids.index(row) * layout.OPENINGS.itemsize


async def lose_openings(redis: Any, generation: int, card: bytes) -> None:
    await redis.delete((await locate_openings(redis, generation))[0])


async def book_openings(redis: Any, generation: int, card: bytes) -> None:
    key, at = await locate_openings(redis, generation)
    await redis.setrange(key, at + PLANES_OFFSET, bytes(8))


async def move_openings(redis: Any, generation: int, card: bytes) -> None:
    key, at = await locate_openings(redis, generation)
    await redis.setrange(key, at, b"\7\7")


async def orphan_openings(redis: Any, generation: int, card: bytes) -> None:
    key, at = await locate_openings(redis, generation, 1)
    await redis.setrange(key, at, bytes(PLANES_OFFSET) + b"\1" + bytes(layout.OPENINGS.itemsize - PLANES_OFFSET - 1))


async def tear_openings(redis: Any, generation: int, card: bytes) -> None:
    await redis.append((await locate_openings(redis, generation))[0], b"torn")


@pytest.mark.parametrize(
    ("corrupt", "store", "kind"),
    [
        (lose_card, "cards", DifferenceKind.MISSING),
        (age_card, "cards", DifferenceKind.VERSION),
        (garble_card, "cards", DifferenceKind.CONTENT),
        (truncate_card, "cards", DifferenceKind.CONTENT),
        (orphan_card, "cards", DifferenceKind.EXTRA),
        (lose_rows, "rows", DifferenceKind.MISSING),
        (change_row, "rows", DifferenceKind.CONTENT),
        (age_row, "rows", DifferenceKind.VERSION),
        (double_row, "rows", DifferenceKind.EXTRA),
        (orphan_row, "rows", DifferenceKind.EXTRA),
        (tear_row, "rows", DifferenceKind.CONTENT),
        (lose_openings, "openings", DifferenceKind.MISSING),
        (book_openings, "openings", DifferenceKind.CONTENT),
        (move_openings, "openings", DifferenceKind.CONTENT),
        (orphan_openings, "openings", DifferenceKind.EXTRA),
        (tear_openings, "openings", DifferenceKind.CONTENT),
        (run("DEL", "{generation}:n:ada"), "names", DifferenceKind.MISSING),
        (run("SET", "{generation}:n:unknown", bytes(layout.NAME_ENTRY.itemsize)), "names", DifferenceKind.EXTRA),
        (run("SREM", "{generation}:words", "ada"), "words", DifferenceKind.MISSING),
        (run("SADD", "{generation}:words", "unknown"), "words", DifferenceKind.EXTRA),
        (run("HDEL", "{generation}:plans", "A"), "plans", DifferenceKind.MISSING),
        (run("HSET", "{generation}:plans", "B", b"\1\0\0\0\0\0\0\0{}"), "plans", DifferenceKind.EXTRA),
        (run("HSET", "{generation}:plans", "A", b"\1\0\0\0\0\0\0\0{}"), "plans", DifferenceKind.CONTENT),
        (
            run("HSET", "{generation}:plan-set-index", layout.plan_set_digest(("A",)), 0),
            "plan sets",
            DifferenceKind.CONTENT,
        ),
        (run("LSET", "{generation}:plan-sets", 1, "Z"), "plan sets", DifferenceKind.MISSING),
    ],
)
async def test_audit_reports_each_corruption(
    redis: Any,
    truth: Any,
    make: Any,
    differences: Any,
    *,
    generation: int,
    corrupt: Any,
    store: str,
    kind: DifferenceKind,
) -> None:
    assert await differences(truth, generation) == []
    await corrupt(redis, generation, layout.card_key(generation, layout.row_id(make.location_id(NPI))))
    found = await differences(truth, generation)
    assert (store, kind) in {(difference.store, difference.kind) for difference in found}


async def test_difference_names_its_entity(
    redis: Any, truth: Any, make: Any, differences: Any, generation: int
) -> None:
    identifier = make.location_id(NPI)
    await redis.delete(layout.card_key(generation, layout.row_id(identifier)))
    (difference,) = await differences(truth, generation)
    assert difference.subject == f"provider-location/{NPI}/{identifier}"
