"""`python -m millrace_local.prepared NAME`: run what `millrace init` runs for a package, then the package itself.

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
    _, name = sys.argv
    asyncio.run(run(steps([name] if name in registered() else [])))
    runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
