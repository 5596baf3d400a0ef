"""Giving up privileges, for good or for a while, and dying with the parent. The only place that calls setuid and prctl.

Failure: every function raises OSError (or KeyError for an unknown user); the caller ends the process then.
"""

import contextlib
import ctypes
import enum
import os
import pwd
import resource
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522  # capget(2)

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; `parent` is the pid that it was forked from.

    SIGKILL, not SIGTERM: what would outlive a killed supervisor would keep its ports and its queue partitions.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def gain_no_privileges() -> None:
    """From now on no program that this process or a child of it starts gains any, set-id or not; walls can be put up only then."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def leave_no_core() -> None:
    """Have no core file made of this process and of those that it forks: passwords, keys and mail would lie in it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def hide_memory() -> None:
    """Let nobody but root look into this process: not by ptrace(2), nor into its environment, and no core file is made, whatever
    takes them (PR_SET_DUMPABLE). To be called once it has its user, whose change sets this anew."""
    _prctl(_PR_SET_DUMPABLE, 0)


def become(owner: str, more_groups: Iterable[int] = ()) -> None:
    """Run as user `owner` from now on, for good, with the rights of `more_groups` beside those of its own. Does nothing unless
    started by root. Raises KeyError for an unknown user."""
    if os.getuid() != 0:
        return
    user = pwd.getpwnam(owner)
    if user.pw_uid == 0:
        _give_up_capabilities()  # `gatepost demo` in a folder that only root can enter: root's name, none of its powers
        return
    os.initgroups(user.pw_name, user.pw_gid)
    if more_groups:
        os.setgroups([*{*os.getgroups(), *more_groups}])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    gain_no_privileges()


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Have what is done meanwhile checked as done by uid:gid: what root does in a folder of others can then do no more than they
    could themselves. Does nothing unless root. For processes with one thread."""
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def owner_of(pid: int) -> int | None:
    """The user id of a process; None where there is none."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _give_up_capabilities() -> None:
    """Empty all capability sets of this process (capabilities(7)): what is left of root is the ownership of its files."""
    gain_no_privileges()
    _set_capabilities(0)


class Capability(enum.IntEnum):
    """Those that are of use here, by number (linux/capability.h)."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    FSETID = 4
    KILL = 5
    SETGID = 6
    SETUID = 7
    NET_BIND_SERVICE = 10
    SYS_CHROOT = 18
    SYS_RESOURCE = 24
    AUDIT_WRITE = 29


def keep_capabilities(own: Iterable[Capability], of_programs: Iterable[Capability]) -> None:
    """Keep no other capabilities than `own`, for good; a set-user-id program that a child runs gets those of `of_programs` at most
    (the bounding set), which Linux takes from every process of root otherwise."""
    allowed = frozenset(of_programs)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        if capability not in allowed:
            _prctl(_PR_CAPBSET_DROP, capability)
    _set_capabilities(sum(1 << capability for capability in own))


def _set_capabilities(mask: int) -> None:
    """Make `mask` the effective and permitted set of this process, and nothing inheritable."""
    header = _CapabilityHeader(_LINUX_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    sets = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if _libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")
