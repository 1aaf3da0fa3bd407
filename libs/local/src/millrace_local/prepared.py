"""`python -m millrace_local.prepared SERVICE [OTHER …]`: run what `millrace init` runs for these, then the service.

In one process, as the imports of a service take longer than all the rest of its start.
"""

import asyncio
import gc
import runpy
import sys

from millrace_local.preparation import registered, run, steps


def main() -> None:
    """Ends as the package's `__main__` does. A package may have nothing to make."""
    # Imports make many objects and no garbage; the service looks for it once it is imported.
    gc.disable()
    _, name, *others = sys.argv
    # All of rich, for a command line of httpx's own that nobody calls.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    asyncio.run(run(steps([*others, name] if name in registered() else others)))
    runpy.run_module(f"millrace_{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
