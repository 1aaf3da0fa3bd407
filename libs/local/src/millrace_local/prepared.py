"""`python -m millrace_local.prepared SERVICE [OTHER …]`: run what `millrace init` runs for these, then the service.

In one process, as the imports of a service take longer than all the rest of its start.
"""

import asyncio
import gc
import os
import runpy
import sys

from millrace_local.preparation import PreparationError, registered, run, steps


def main() -> None:
    """End as the package's `__main__` does, or with `EX_CONFIG` and one line if the preparation fails for good."""
    # Imports make many objects and no garbage; the service looks for it once it is imported.
    gc.disable()
    _, name, *others = sys.argv
    # All of rich, for a command line of httpx's own that nobody calls.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        asyncio.run(run(steps([*others, name] if name in registered() else others)))
    except PreparationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    runpy.run_module(f"millrace_{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
