"""Become the process that a supervisor wants, without leaving it behind should the supervisor be killed.

Runs as a script (`python -I -S launcher.py OPTIONS -- COMMAND …`), so it imports the standard library only. It changes
the user, asks the kernel for a signal when its parent dies, and then *becomes* the command: the process id stays.

PostgreSQL refuses to run as root (it checks `geteuid() != 0`). Its programs and its data may lie below directories that
only root may enter, so an unprivileged user gets exactly the two capabilities that pass directory permissions.
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
    """Reduce what is left of root's capabilities to passing directory permissions, and keep it over execve.

    A container may withhold one of the two; each of them suffices for what we need here.
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
    """Run on as `user` (uid and gid) for good. Only root may ask for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    # initdb asks access(2) whether it may run postgres, and that forgets the capabilities of a real user other than
    # root, unless this bit is set.
    _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl(PR_SET_SECUREBITS)")
    _check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _keep_directory_capabilities(libc)


def die_with_parent(parent: int, number: int) -> None:
    """Get signal `number` when the process `parent` ends. Linux only; elsewhere the supervisor's own stop must do."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked
        sys.exit(128 + number)


def main(arguments: list[str]) -> None:
    """`PARENT_PID SIGNAL USER -- COMMAND…`; USER is a uid, or `-` to stay who we are."""
    parent, number, user, _, *command = arguments
    if user != "-":
        become(int(user))
    die_with_parent(int(parent), int(number))  # after the change of user, which would clear it
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and execve hands that on
    os.execv(command[0], command)  # noqa: S606 - the purpose of this script


if __name__ == "__main__":
    main(sys.argv[1:])
