"""Memory that processes share from a fork on, as a file without a name, by which parts of it are locked (fcntl(2)).

Its size is sealed (memfd_create(2)). Whoever looks at memory whose file was cut short is killed (SIGBUS): a worker that is taken
over would end the supervisor, and all mail with it.
"""

import fcntl
import mmap
import os

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def shared(name: str, size: int) -> tuple[int, mmap.mmap]:
    """The descriptor of the file and its memory, `size` octets of zeros. To be made before the fork. Raises OSError."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    return file, mmap.mmap(file, size)
