"""`python -m millrace_local.prepared SERVICE [OTHER …]`: run the provisioning steps of these, then the service.

Both run in one process, because a service's imports take longer than the rest of its start.
"""

import asyncio
import gc
import os
import runpy
import sys

from millrace_local.preparation import PreparationError, registered, run, steps


def main() -> None:
    """End as the package's `__main__` does, or with `EX_CONFIG` and one line if the preparation fails for good."""
    # Imports create many objects and no garbage; the service enables collection after its imports.
    gc.disable()
    _, name, *others = sys.argv
    # httpx would import rich for its own unused command line.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        asyncio.run(run(steps([*others, name] if name in registered() else others)))
    except PreparationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    runpy.run_module(f"millrace_{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
