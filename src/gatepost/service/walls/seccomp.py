"""seccomp (seccomp(2)): a process gives up, for good, system calls that it has no use for. By libseccomp, which knows their numbers
on each architecture; every Debian has it, apt needs it.

A call that is forbidden fails with EPERM, and the library that made it goes another way; what is forbidden is a list, and not
what is allowed, since SQLite, OpenSSL, uvloop and the C library may use tomorrow what they do not use today.
"""

import ctypes
import errno
import functools
import os
import termios
from ctypes import c_int, c_uint, c_uint32, c_uint64, c_void_p

LIBRARY = "libseccomp.so.2"

FORBIDDEN = (
    # programs, and other processes
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    # parts of the kernel that nothing here needs, and in which faults were found before
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key",
    "request_key", "modify_ldt", "personality", "fanotify_init", "lookup_dcookie", "open_by_handle_at",
    # namespaces and mounts
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr",
    # the machine
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct",
    "quotactl", "syslog", "ioperm", "iopl", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
    "setdomainname", "vhangup",
)  # fmt: skip
"""Besides these, what types on a terminal (ioctl_tty(2)): that of an administrator, from which `start --foreground` came."""
_FAMILIES = frozenset((1, 2, 10, 16))  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: getaddrinfo(3) asks for addresses by the last
_INT = 0xFFFFFFFF  # what the kernel looks at of an ioctl's number
_FAMILY_LIMIT = 46  # the highest family that there is
_NEW_NAMESPACES = 0x7E020000  # the CLONE_NEW... flags of clone(2)

COMPUTING = (
    # what is open already
    "read", "readv", "write", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg", "accept", "accept4", "close",
    "poll", "ppoll", "select", "pselect6", "lseek", "pread64", "fstat", "newfstatat", "getsockopt", "getsockname",
    # memory
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex", "membarrier", "rseq", "set_robust_list",
    # time, signals to itself, numbers that tell nothing
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "setitimer", "getitimer", "alarm",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "getpid", "gettid", "getuid", "geteuid",
    "getrandom", "getrusage", "sched_yield", "sched_getaffinity", "getcpu", "exit", "exit_group",
)  # fmt: skip
"""What a process needs that computes, and answers over what it has open: no file, no socket of its own, no other process; and
nothing that changes a socket which others wait at, too (shutdown(2), setsockopt(2))."""

_DESCRIPTORS = (1, 2, 3, 4, 1030)
"""What it may ask fcntl(2): F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC. By F_SETOWN and F_SETSIG a descriptor kills."""

_NON_BLOCKING = 0x5421  # FIONBIO: how Python sets a time limit for a socket

_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_EQUAL, _GREATER, _MASKED_EQUAL = 4, 6, 7


class _Compare(ctypes.Structure):
    """struct scmp_arg_cmp: an argument of a call, and what it is compared with."""

    _fields_ = (("argument", c_uint), ("how", c_int), ("datum", c_uint64), ("other", c_uint64))


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError:
        return None
    library.seccomp_init.restype = c_void_p
    library.seccomp_init.argtypes = (c_uint32,)
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = (c_void_p,)
    library.seccomp_rule_add_array.argtypes = (c_void_p, c_uint32, c_int, c_uint, c_void_p)
    return library


def is_there() -> bool:
    """Whether the library is there, and the kernel has seccomp."""
    return _library() is not None and os.path.exists("/proc/sys/kernel/seccomp")


def forbid() -> None:
    """Give up the calls above, in this process and all that it starts. Needs no_new_privs. Raises OSError, also where there is no
    libseccomp."""
    library = _library()
    if library is None:
        raise OSError(errno.ENOSYS, f"seccomp: no {LIBRARY}")
    rules = library.seccomp_init(_ALLOW)
    try:
        for name in FORBIDDEN:
            _add(library, rules, name, errno.EPERM)
        _add(library, rules, "clone3", errno.ENOSYS)  # its flags cannot be seen; the C library goes on with clone
        for bit in range(32):
            if _NEW_NAMESPACES >> bit & 1:
                _add(library, rules, "clone", errno.EPERM, _Compare(0, _MASKED_EQUAL, 1 << bit, 1 << bit))
        for request in (termios.TIOCSTI, termios.TIOCLINUX):
            _add(library, rules, "ioctl", errno.EPERM, _Compare(1, _MASKED_EQUAL, _INT, request))
        for family in set(range(_FAMILY_LIMIT + 1)) - _FAMILIES:
            _add(library, rules, "socket", errno.EAFNOSUPPORT, _Compare(0, _EQUAL, family, 0))
        _add(library, rules, "socket", errno.EAFNOSUPPORT, _Compare(0, _GREATER, _FAMILY_LIMIT, 0))
        _checked(library.seccomp_load(rules))
    finally:
        library.seccomp_release(rules)


def only_compute() -> None:
    """Give up all calls but COMPUTING, in this process: what is no more allowed fails with EPERM. Needs no_new_privs. Raises
    OSError, also where there is no libseccomp."""
    library = _library()
    if library is None:
        raise OSError(errno.ENOSYS, f"seccomp: no {LIBRARY}")
    rules = library.seccomp_init(_ERROR | errno.EPERM)
    try:
        for name in COMPUTING:
            _add_action(library, rules, name, _ALLOW)
        _add_action(library, rules, "ioctl", _ALLOW, _Compare(1, _MASKED_EQUAL, _INT, _NON_BLOCKING))
        for command in _DESCRIPTORS:
            _add_action(library, rules, "fcntl", _ALLOW, _Compare(1, _MASKED_EQUAL, _INT, command))
        _checked(library.seccomp_load(rules))
    finally:
        library.seccomp_release(rules)


def _add(library: ctypes.CDLL, rules: int, name: str, error: int, compared: _Compare | None = None) -> None:
    _add_action(library, rules, name, _ERROR | error, compared)


def _add_action(library: ctypes.CDLL, rules: int, name: str, action: int, compared: _Compare | None = None) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return  # not on this architecture, or newer than the library
    count, array = (1, ctypes.byref(compared)) if compared is not None else (0, None)
    _checked(library.seccomp_rule_add_array(rules, action, number, count, array))


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(-result, f"seccomp: {os.strerror(-result)}")
