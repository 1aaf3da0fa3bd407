"""Start a command as a child process that ends when the supervisor is killed.

Runs as a script (`python -I -S launcher.py OPTIONS -- COMMAND …`), so it imports the standard library only. It changes
the user, requests a signal from the kernel for the parent's death, and then executes the command: the process id stays.

PostgreSQL refuses to run as root (it checks `geteuid() != 0`). Its programs and its data may lie below directories that
only root may enter, so the unprivileged user gets exactly the two capabilities that bypass directory permissions.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityWord(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _keep_directory_capabilities(libc: ctypes.CDLL) -> None:
    """Drop all capabilities except those that bypass directory permissions, and retain these over execve.

    A container may withhold one of the two; each suffices.
    """
    header = _CapabilityHeader(LINUX_CAPABILITY_VERSION_3, 0)
    words = (_CapabilityWord * 2)()
    _check(libc.capget(ctypes.byref(header), words), "capget")
    wanted = words[0].permitted & (1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
    words[0] = _CapabilityWord(wanted, wanted, wanted)
    words[1] = _CapabilityWord(0, 0, 0)
    _check(libc.capset(ctypes.byref(header), words), "capset")
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if wanted & 1 << capability:
            _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT)")


def become(user: int) -> None:
    """Switch to `user` (uid and gid) permanently. Requires root."""
    libc = ctypes.CDLL(None, use_errno=True)
    # initdb checks with access(2) whether it may run postgres, which ignores the capabilities of a real user other than
    # root, unless this bit is set.
    _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl(PR_SET_SECUREBITS)")
    _check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _keep_directory_capabilities(libc)


def die_with_parent(parent: int, number: int) -> None:
    """Request signal `number` for the end of process `parent`. On systems other than Linux, do nothing."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # the parent ended before the request
        sys.exit(128 + number)


def main(arguments: list[str]) -> None:
    """Run `PARENT_PID SIGNAL USER -- COMMAND…`; USER is a uid, or `-` for the current user."""
    parent, number, user, _, *command = arguments
    if user != "-":
        become(int(user))
    die_with_parent(int(parent), int(number))  # after the change of user, which would clear it
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and execve preserves that
    os.execv(command[0], command)  # noqa: S606 - the purpose of this script


if __name__ == "__main__":
    main(sys.argv[1:])
