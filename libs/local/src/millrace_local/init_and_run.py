"""`python -m millrace_local.init_and_run SERVICE [PACKAGE …]`: provision a service and these packages, then run it.

Both run in one process, because a service's imports take longer than the rest of its start.
"""

import asyncio
import gc
import os
import runpy
import sys

from millrace_local.provisioning import ProvisioningError, registered, run, steps


def main() -> None:
    """Exit as the service's `__main__` does, or with `EX_CONFIG` and one line if only the user can remedy a failure."""
    # Imports create many objects and no garbage; the service enables collection after its imports.
    gc.disable()
    _, name, *others = sys.argv
    # httpx would import rich for its own unused command line.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        asyncio.run(run(steps([*others, name] if name in registered() else others)))
    except ProvisioningError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    runpy.run_module(f"millrace_{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
