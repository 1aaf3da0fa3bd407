"""Server-side scripts of the read model and how they are run in pipelines.

Each is idempotent, so that a pipeline may be run again as a whole, and each names all its keys. Rows and cards touch
one key each; a name word and the set of words lie in different cluster slots, plan set index and list as well.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from millrace_readmodel.layout import NAME_ENTRY, ROW


@dataclass(frozen=True, slots=True)
class Script:
    """Lua source; `sha` is what EVALSHA calls it."""

    source: str

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


# Fixed-width entries keyed by their first 8 bytes. A plain find may match across entries, hence the alignment check.
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
local function keep(key, data)
  if data == '' then redis.call('DEL', key) else redis.call('SET', key, data) end
end
"""

ROWS: Final = Script(
    f"local WIDTH = {ROW.itemsize}\n"
    + _ENTRIES
    + """
-- KEYS: partition. ARGV: force (1: whatever the stored version), rows to put, (id, version) pairs to remove.
-- A row gives way to the same or a higher version only.
local data = redis.call('GET', KEYS[1]) or ''
local force = ARGV[1] == '1'
local function yields(at, version)
  return force or struct.unpack('<I8', data, at + 8) <= struct.unpack('<I8', version)
end
for i = 1, #ARGV[2], WIDTH do
  local row = string.sub(ARGV[2], i, i + WIDTH - 1)
  local at = position(data, string.sub(row, 1, 8), WIDTH)
  if not at then
    redis.call('APPEND', KEYS[1], row)
  elseif yields(at, string.sub(row, 9, 16)) then
    redis.call('SETRANGE', KEYS[1], at - 1, row)
  end
end
if ARGV[3] ~= '' then
  data = redis.call('GET', KEYS[1]) or ''
  local before = #data
  for i = 1, #ARGV[3], 16 do
    local at = position(data, string.sub(ARGV[3], i, i + 7), WIDTH)
    if at and yields(at, string.sub(ARGV[3], i + 8, i + 15)) then data = without(data, at, WIDTH) end
  end
  if #data < before then keep(KEYS[1], data) end
end
return #data
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
  if #data < before then keep(KEYS[1], data) end
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
-- KEYS: card. ARGV: stamp that was read (8 bytes, empty: there was nothing), new value (a stamp alone: no card),
-- seconds for which that is remembered. Returns 1 if written, 0 if another writer was faster.
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
if #ARGV[2] == 8 then redis.call('SETEX', KEYS[1], ARGV[3], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
)

PLAN: Final = Script(
    """
-- KEYS: plans. ARGV: plan id, version that was read (8 bytes, empty: none), new value (empty: none). Returns as CARD.
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

SCRIPTS: Final = (ROWS, NAMES, CARD, PLAN, INTERN)
Key = str | bytes
Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script."""

    script: Script
    keys: tuple[Key, ...]
    arguments: tuple[Argument, ...]


async def run(redis: Redis, calls: Sequence[Call]) -> list[Any]:
    """Run the calls in one pipeline; their results in order. Loads the scripts into a server that doesn't have them.

    Raises the first error that a call came back with.
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


async def load(redis: Redis) -> None:
    """Make all scripts known to the server."""
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
