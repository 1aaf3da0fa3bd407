"""Server-side scripts of the read model, and functions that run them in pipelines.

Each script is idempotent, so a whole pipeline can be repeated, and declares all its keys. Rows and their openings share
a cluster slot; a name word and the set of words do not, nor do the plan set index and list.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from millrace_readmodel.layout import NAME_ENTRY, OPENINGS, ROW


class ContentionError(Exception):
    """Concurrent writers changed the same data during every attempt. Try again later."""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua source of a server-side script, and its `sha` (hexadecimal SHA-1) for EVALSHA."""

    source: str

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


# Fixed-width entries keyed by their first 8 bytes. A plain find can match across entries, hence the alignment check.
_ENTRIES = """
local function position(data, id, width)
  local from = 1
  while true do
    local at = string.find(data, id, from, true)
    if not at then return nil end
    if (at - 1) % width == 0 then return at end
    from = at + 1
  end
end
local function without(data, at, width)
  local last = #data - width + 1
  if at == last then return string.sub(data, 1, last - 1) end
  return string.sub(data, 1, at - 1) .. string.sub(data, last) .. string.sub(data, at + width, last - 1)
end
local function store(key, data)
  if data == '' then redis.call('DEL', key) else redis.call('SET', key, data) end
end
"""

_WIDTHS: Final = f"local WIDTH, OPENINGS = {ROW.itemsize}, {OPENINGS.itemsize}\n"

ROWS: Final = Script(
    _WIDTHS
    + _ENTRIES
    + """
-- KEYS: partition, its openings. ARGV: force (1: ignore stored versions), rows to put, (id, version) pairs to remove.
-- Only the same or a higher version replaces or removes a row.
local data = redis.call('GET', KEYS[1]) or ''
local force = ARGV[1] == '1'
local function is_replaceable(at, version)
  return force or struct.unpack('<I8', data, at + 8) <= struct.unpack('<I8', version)
end
for i = 1, #ARGV[2], WIDTH do
  local row = string.sub(ARGV[2], i, i + WIDTH - 1)
  local at = position(data, string.sub(row, 1, 8), WIDTH)
  if not at then
    redis.call('APPEND', KEYS[1], row)
  elseif is_replaceable(at, string.sub(row, 9, 16)) then
    redis.call('SETRANGE', KEYS[1], at - 1, row)
  end
end
if ARGV[3] ~= '' then
  data = redis.call('GET', KEYS[1]) or ''
  local before = #data
  local openings = redis.call('GET', KEYS[2]) or ''
  for i = 1, #ARGV[3], 16 do
    local at = position(data, string.sub(ARGV[3], i, i + 7), WIDTH)
    if at and is_replaceable(at, string.sub(ARGV[3], i + 8, i + 15)) then
      -- The last row moves into the gap, and its openings with it.
      local gap, last = (at - 1) / WIDTH * OPENINGS, (#data / WIDTH - 1) * OPENINGS
      if #openings > gap then
        local moved = string.sub(openings, last + 1)
        moved = moved .. string.rep('\\0', OPENINGS - #moved)
        openings = string.sub(openings, 1, gap) .. moved .. string.sub(openings, gap + OPENINGS + 1)
        openings = string.sub(openings, 1, last)
      end
      data = without(data, at, WIDTH)
    end
  end
  if #data < before then
    store(KEYS[1], data)
    store(KEYS[2], openings)
  end
end
return #data
"""
)

GET_OPENINGS: Final = Script(
    _WIDTHS
    + _ENTRIES
    + """
-- KEYS: partition, its openings. ARGV: ids. Returns each row's entry: empty if it has none, false for an unknown row.
local data = redis.call('GET', KEYS[1]) or ''
local found = {}
for i = 1, #ARGV do
  local at = position(data, ARGV[i], WIDTH)
  local from = at and (at - 1) / WIDTH * OPENINGS
  found[i] = at and redis.call('GETRANGE', KEYS[2], from, from + OPENINGS - 1) or false
end
return found
"""
)

PUT_OPENINGS: Final = Script(
    _WIDTHS
    + _ENTRIES
    + """
-- KEYS: partition, its openings. ARGV: id, expected entry, new entry. Returns 1 if written, 0 if another writer changed
-- the entry or removed the row.
local at = position(redis.call('GET', KEYS[1]) or '', ARGV[1], WIDTH)
if not at then return 0 end
local from = (at - 1) / WIDTH * OPENINGS
if redis.call('GETRANGE', KEYS[2], from, from + OPENINGS - 1) ~= ARGV[2] then return 0 end
redis.call('SETRANGE', KEYS[2], from, ARGV[3])
return 1
"""
)

NAMES: Final = Script(
    f"local WIDTH = {NAME_ENTRY.itemsize}\n"
    + _ENTRIES
    + """
-- KEYS: entries of a word, set of words. ARGV: the word, entries to put, ids to remove.
local data = redis.call('GET', KEYS[1]) or ''
for i = 1, #ARGV[2], WIDTH do
  local entry = string.sub(ARGV[2], i, i + WIDTH - 1)
  local at = position(data, string.sub(entry, 1, 8), WIDTH)
  if at then redis.call('SETRANGE', KEYS[1], at - 1, entry) else redis.call('APPEND', KEYS[1], entry) end
end
if ARGV[3] ~= '' then
  data = redis.call('GET', KEYS[1]) or ''
  local before = #data
  for i = 1, #ARGV[3], 8 do
    local at = position(data, string.sub(ARGV[3], i, i + 7), WIDTH)
    if at then data = without(data, at, WIDTH) end
  end
  if #data < before then store(KEYS[1], data) end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('SADD', KEYS[2], ARGV[1])
else
  redis.call('SREM', KEYS[2], ARGV[1])
end
return 1
"""
)

CARD: Final = Script(
    """
-- KEYS: card. ARGV: expected stamp (8 bytes, empty: no value), new value (only a stamp: the card is removed), seconds
-- until a removal expires. Returns 1 if written, 0 if another writer changed the card.
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
if #ARGV[2] == 8 then redis.call('SETEX', KEYS[1], ARGV[3], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
)

PLAN: Final = Script(
    """
-- KEYS: plans. ARGV: plan id, expected version (8 bytes, empty: none), new value (empty: none). Returns as CARD does.
local stored = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if string.sub(stored, 1, 8) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
"""
)

INTERN: Final = Script(
    """
-- KEYS: plan set index, plan sets. ARGV: digest, plan ids joined by a space. Returns the number of the plan set.
local number = redis.call('HGET', KEYS[1], ARGV[1])
if number then return tonumber(number) end
number = redis.call('RPUSH', KEYS[2], ARGV[2]) - 1
redis.call('HSET', KEYS[1], ARGV[1], number)
return number
"""
)

SCRIPTS: Final = (ROWS, GET_OPENINGS, PUT_OPENINGS, NAMES, CARD, PLAN, INTERN)
T = TypeVar("T")
Key = str | bytes
Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script, with its keys and arguments."""

    script: Script
    keys: tuple[Key, ...]
    arguments: tuple[Argument, ...]


def pack_id(number: int) -> bytes:
    """Return a row id or version as the scripts expect it: 8 bytes, little endian."""
    return number.to_bytes(8, "little")


async def run(redis: Redis, calls: Sequence[Call]) -> list[Any]:
    """Run the calls in one pipeline and return their results in order; load the scripts if the server lacks them.

    Raises the first error among the results.
    """
    if not calls:
        return []
    results = await _attempt(redis, calls)
    if any(isinstance(result, NoScriptError) for result in results):
        await load(redis)
        results = await _attempt(redis, calls)
    for result in results:
        if isinstance(result, ResponseError):
            raise result
    return results


async def write_until_done(
    items: Collection[T], write: Callable[[Collection[T]], Awaitable[Collection[T]]], *, attempts: int, kind: str
) -> None:
    """Call `write` with the items, then with those that it returns to be written again, until none is left.

    Raises `ContentionError` if some are left after `attempts`; `kind` names them in its message.
    """
    for _ in range(attempts):
        if not items:
            return
        items = await write(items)
    if items:
        raise ContentionError(f"{len(items)} {kind}, {next(iter(items))} among them")


async def load(redis: Redis) -> None:
    """Load all scripts into the server."""
    async with redis.pipeline(transaction=False) as pipeline:
        for script in SCRIPTS:
            pipeline.script_load(script.source)
        await pipeline.execute()


async def _attempt(redis: Redis, calls: Sequence[Call]) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipeline:
        for call in calls:
            pipeline.execute_command("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments)
        results: list[Any] = await pipeline.execute(raise_on_error=False)
        return results
