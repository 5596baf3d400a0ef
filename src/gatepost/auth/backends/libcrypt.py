"""crypt(3) of the system's libcrypt: SHA-512, SHA-256, bcrypt, yescrypt and others. Python's own module is gone with 3.13."""

import ctypes
import functools
from typing import Final

_LIBRARIES: Final = ("libcrypt.so.1", "libcrypt.so.2")
_WORK: Final = 32768
"""Octets of struct crypt_data in libxcrypt; glibc's own was larger, which it does not take by this function."""
_LONGEST: Final = 512
"""Octets of a password, without the NUL at its end (CRYPT_MAX_PASSPHRASE_SIZE)."""


class CryptMissing(Exception):
    """The library is not installed."""


@functools.cache
def _function() -> "ctypes._NamedFuncPointer":
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_rn
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int
        return function
    raise CryptMissing(f"{' or '.join(_LIBRARIES)} cannot be loaded (Debian: apt-get install libcrypt1)")


def crypt(password: bytes, setting: bytes) -> bytes | None:
    """The hash of a password, by the method and salt of `setting`, which may be a hash; None for a method that the library does not
    know or for a password that it cannot take. Takes as long as the method is costly: to be called in a thread, without the
    interpreter's lock. Raises CryptMissing."""
    if b"\0" in password or b"\0" in setting or len(password) >= _LONGEST:
        return None
    work = ctypes.create_string_buffer(_WORK)
    try:
        hashed: bytes | None = _function()(password, setting, work, _WORK)
    finally:
        ctypes.memset(work, 0, _WORK)  # it has the password in it
    return None if hashed is None or hashed.startswith(b"*") else hashed
