"""ministack with six patches: a script for the Python of ministack's own environment.

For each GetRecords its Kinesis copies all records of the stream to drop expired ones, so that reading gets
slower with every record ever written. Records are in the order of arrival: unless the first one is expired, none
is. For each request it also checks all iterators of the last five minutes, of which every
GetRecords creates one, to remove expired ones. Expired iterators are refused anyway, so they can be removed later.

For each page of a scan it compares all items with the end of the previous page, although they are sorted by key.

For each conditional write of an item it parses the condition, of which only a handful exist.

When it stops, it writes its state as JSON piece by piece, which takes several times as long as one string.

It spends half of its time in its HTTP server, which is written in Python. It is an ASGI application:
uvicorn serves it if installed. ministack's own image has none.
"""

import importlib.util
import json
import os
import signal
import sys
import time
from bisect import bisect_right
from functools import lru_cache
from typing import Any, TextIO

from ministack.app import app, main
from ministack.services import dynamodb, kinesis

FORGET_SECONDS = 10.0
CONDITIONS = 256
KEEP_ALIVE_SECONDS = 75
DRAIN_SECONDS = 10

drop_expired = kinesis._expire_records
forget_expired = kinesis._expire_iterators
forgotten_at = 0.0


def expire_records(stream: dict[str, Any]) -> None:
    """Drop the expired records of a stream; do nothing if no shard's oldest record has expired."""
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    shards = stream["shards"].values()
    if any(shard["records"] and shard["records"][0]["ApproximateArrivalTimestamp"] < oldest for shard in shards):
        drop_expired(stream)


def expire_iterators() -> None:
    """Remove expired iterators, at most once in FORGET_SECONDS."""
    global forgotten_at  # noqa: PLW0603 # as ministack keeps its own state
    now = time.monotonic()
    if now - forgotten_at >= FORGET_SECONDS:
        forgotten_at = now
        forget_expired()


def behind(items: list[dict[str, Any]], start: dict[str, Any], table: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sorted items whose keys come after that of `start`."""
    names = [name for name in (table["pk_name"], table["sk_name"]) if name]

    def key(item: dict[str, Any]) -> tuple[str, ...]:
        return tuple(dynamodb._extract_key_val(item.get(name)) for name in names)

    return items[bisect_right(items, key(start), key=key) :]


def dump(value: object, file: TextIO, **options: Any) -> None:
    """Write like `json.dump`, in one string."""
    file.write(json.dumps(value, **options))


def serve() -> None:
    """Serve with uvicorn like ministack's `main`; exit with 0 after SIGTERM and writing the state."""
    import uvicorn  # noqa: PLC0415 # not everywhere

    # uvicorn raises the signal again after its shutdown.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


dynamodb._condition_syntax_error = lru_cache(CONDITIONS)(dynamodb._condition_syntax_error)
dynamodb._apply_exclusive_start_key_scan = behind
json.dump = dump  # type: ignore[assignment] # its options go to `dumps`
kinesis._expire_records = expire_records
kinesis._expire_iterators = expire_iterators

if __name__ == "__main__":
    (serve if importlib.util.find_spec("uvicorn") else main)()
