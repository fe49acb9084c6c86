"""Become the identity that PostgreSQL accepts, promise to die with the parent, and exec a program.

Run as a script (`python -I -S launch.py --parent PID --identity same|namespace|nobody [--reach PATH] -- PROGRAM ARG…`),
so it imports nothing but the standard library. PostgreSQL refuses to run as uid 0. `namespace` maps root to `nobody`
in a user namespace of its own: files keep belonging to root outside. `nobody` gives root up for good.

The order matters: a change of credentials clears the parent-death signal, so that is asked for afterwards; and a parent
that died before it was asked for is seen by its changed pid. Linux only: elsewhere the signal does not exist and the
program outlives a parent that was killed with -9 (the next `open` adopts it).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Sequence

NOBODY = 65534
FAILED = 125  # our own exit status, so that the caller can tell it from the program's

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def enter_namespace() -> None:
    """Map uid and gid 0 outside to `nobody` inside a new user namespace. Raises OSError where that is not permitted."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "user namespaces exist on Linux only")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "unshare(CLONE_NEWUSER)")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} 0 1"), ("gid_map", f"{NOBODY} 0 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def become_nobody() -> None:
    """Give up root: no supplementary groups, gid and uid `nobody`."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def die_with_parent(parent: int, number: int) -> None:
    """Have the kernel send signal `number` to this process when its parent ends; exit if `parent` already has.

    The kernel means the parent's *thread* that started us, so the starter keeps that thread alive.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(FAILED)


def main(arguments: Sequence[str]) -> None:
    """Parse `arguments`, become the identity and exec; on failure say why on stderr and exit with `FAILED`."""
    cut = arguments.index("--")
    options, program = arguments[:cut], arguments[cut + 1 :]
    pairs = list(zip(options[::2], options[1::2], strict=True))
    chosen = dict(pairs)
    try:
        if chosen["--identity"] == "namespace":
            enter_namespace()
        elif chosen["--identity"] == "nobody":
            become_nobody()
        for path in [value for name, value in pairs if name == "--reach"]:
            if not os.access(path, os.X_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, f"not reachable for uid {os.geteuid()}", path)
        die_with_parent(int(chosen["--parent"]), signal.SIGINT)
        os.execv(program[0], list(program))
    except OSError as error:
        print(f"launch: {error}", file=sys.stderr)
        sys.exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
