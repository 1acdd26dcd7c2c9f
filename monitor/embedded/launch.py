"""Becomes another program, after the settings that only the process itself can make (Linux).

Run by path, with nothing but the standard library: `python -I -S launch.py PARENT SIGNAL USER COMMAND...`.
A `preexec_fn` would do the same in a forked copy of the supervisor, which Python calls unsafe beside threads.

PARENT  pid of the supervisor
SIGNAL  number of the signal that the kernel sends to the program when the supervisor dies, even by `kill -9`
USER    `-` to stay who we are, or `uid:gid` to give up root, or `uid:gid:search` to give up root except for the
        right to pass through folders that are closed to others (a home below /root, say)
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2  # linux/prctl.h, linux/securebits.h
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # linux/capability.h
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, action: str) -> None:
    if result != 0:
        sys.exit(f"cannot {action}: {os.strerror(ctypes.get_errno())}")


def become(uid: int, gid: int, *, search: bool) -> None:
    """Give up root for good; with `search`, keep one capability that also survives the coming exec."""
    if search:
        check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep a capability")
        # Without it access(2), by which initdb looks for its programs, forgets the capabilities of ordinary users.
        check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "let access(2) see the capability")
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if search:
        capability = keep_only_search()
        check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "pass a capability on")


def keep_only_search() -> int:
    """Drop every capability but the one to search folders; containers often have only the wider of the two."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        bit = 1 << capability
        effective_permitted_inheritable = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        if libc.capset(header, effective_permitted_inheritable) == 0:
            return capability
    sys.exit("cannot reach folders that only root may enter: put the home folder and Python where others may enter")


def main(parent: str, death_signal: str, user: str, *command: str) -> None:
    if user != "-":
        uid, gid, *search = user.split(":")
        become(int(uid), int(gid), search=bool(search))
    # After the change of user, which clears it.
    check(libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0), "tie the process to its supervisor")
    if os.getppid() != int(parent):  # the supervisor died before the line above
        sys.exit("the supervisor is gone")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler, or an inherited SIG_IGN, must not stay
    try:
        os.execvp(command[0], command)  # noqa: S606 (that is its purpose)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
