"""Python's cycle collector during an import.

An import makes millions of tuples that are in no cycle. Each few hundred of them have the collector look through all
that the chunk holds: half of the import's time. So it looks once a chunk, when nearly all of them are gone.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_by_chunk() -> Iterator[None]:
    """Have the collector run only where `collect` is called."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def collect() -> None:
    """Between two chunks: what was made since the last call."""
    gc.collect(0)
