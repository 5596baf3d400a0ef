"""Memory that processes share from a fork on, as a file without a name, by which parts of it are locked (fcntl(2)).

Its size is sealed (memfd_create(2)). Whoever looks at memory whose file was cut short is killed (SIGBUS): a worker that is taken
over would end the supervisor, and all mail with it.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import weakref

_FIXED = 0x10  # MAP_FIXED of mmap(2), which Python has no name for
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def shared(name: str, size: int) -> tuple[int, mmap.mmap]:
    """The descriptor of the file and its memory, `size` octets of zeros. To be made before the fork. Raises OSError."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    memory = mmap.mmap(file, size)
    _all.append((file, weakref.ref(memory)))
    return file, memory


_all: list[tuple[int, "weakref.ref[mmap.mmap]"]] = []


def give_up() -> None:
    """Put zeros of its own in the place of all such memory in this process, and nothing in that of its files: in a child that has
    no use for them, and is to be with hostile content. Raises OSError."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for file, reference in _all:
        if (memory := reference()) is not None:
            _replace(memory)
        same = os.fstat(file)
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # mmap has one of its own
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), same):
                    os.dup2(nothing, descriptor, inheritable=False)
    _all.clear()
    os.close(nothing)


def _replace(memory: mmap.mmap) -> None:
    """Whoever still looks at it finds zeros. Raises OSError."""
    size = len(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED
    if _libc.mmap(address, size, protection, flags, -1, 0) != address:
        raise OSError(ctypes.get_errno(), "mmap")
