"""OpenSSL as Python's ssl module uses it, for the few things that the module has no way to ask of it.

The library is the one that the module itself is linked to, and its objects are found where CPython keeps them. Where either is
not as expected there is None, and whoever asks does without.
"""

import ctypes
import functools
import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_WORD: Final = ctypes.sizeof(ctypes.c_void_p)
_SET_GROUPS_LIST: Final = 92  # SSL_CTRL_SET_GROUPS_LIST of ssl.h
_SET_SESSION_CACHE: Final = 44  # SSL_CTRL_SET_SESS_CACHE_MODE


@functools.cache
def library() -> ctypes.CDLL | None:
    """The functions of OpenSSL; one that this OpenSSL has not is an AttributeError when it is named."""
    import _ssl

    file = getattr(_ssl, "__file__", None)
    if platform.python_implementation() != "CPython" or file is None:
        return None
    try:
        return ctypes.CDLL(file)
    except OSError:
        return None


def context_pointer(context: "ssl.SSLContext") -> int | None:
    """The SSL_CTX of a context: the first member of its object."""
    return _word(context, 0)


def limit_depth(context: "ssl.SSLContext", depth: int) -> None:
    """Let a chain have no more than `depth` certificates between the peer's own and the trusted one (smtp_tls_scert_verifydepth,
    smtpd_tls_ccert_verifydepth). OpenSSL's own limit holds where it cannot be asked."""
    functions = library()
    if functions is not None:
        functions.SSL_CTX_set_verify_depth(ctypes.c_void_p(context_pointer(context)), depth)


def choose_groups(context: "ssl.SSLContext", names: Iterable[str]) -> list[str]:
    """Let keys be exchanged by these groups only, best first (tls_eecdh_auto_curves); unknown ones are left out.
    Returns the known ones; where there are none, or OpenSSL cannot be asked, its own choice holds."""
    functions = library()
    if functions is None:
        return []
    control, pointer = functions.SSL_CTX_ctrl, ctypes.c_void_p(context_pointer(context))
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    control.restype = ctypes.c_long
    known = [name for name in names if control(pointer, _SET_GROUPS_LIST, 0, name.encode()) == 1]
    functions.ERR_clear_error()
    if known:
        control(pointer, _SET_GROUPS_LIST, 0, ":".join(known).encode())
    return known


def limit_sessions(context: "ssl.SSLContext", seconds: int) -> None:
    """Let sessions be resumed for so long (smtpd_tls_session_cache_timeout). OpenSSL's own time holds where it cannot be asked."""
    functions = library()
    if functions is not None:
        functions.SSL_CTX_set_timeout(ctypes.c_void_p(context_pointer(context)), ctypes.c_long(seconds))


def forget_sessions(context: "ssl.SSLContext") -> None:
    """Let no session be resumed: without tickets, and without a cache where OpenSSL can be asked."""
    import ssl

    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    functions = library()
    if functions is not None:
        control = functions.SSL_CTX_ctrl
        control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
        control(ctypes.c_void_p(context_pointer(context)), _SET_SESSION_CACHE, 0, None)


def connection_pointer(connected: "ssl.SSLObject") -> int | None:
    """The SSL of a connection: the second member of its inner object, whose third is the context, by which it is known."""
    inner = getattr(connected, "_sslobj", None)
    if inner is None or _word(inner, 2) != id(connected.context):
        return None
    return _word(inner, 1)


def is_verified(connected: "ssl.SSLObject") -> bool:
    """Whether the other end's certificate verified, of a connection that goes on either way (SSL_get_verify_result(3)). False where
    OpenSSL cannot be asked, so that nothing but words may depend on it."""
    functions, pointer = library(), connection_pointer(connected)
    if functions is None or pointer is None:
        return False
    result = functions.SSL_get_verify_result
    result.argtypes, result.restype = (ctypes.c_void_p,), ctypes.c_long
    return bool(result(pointer) == 0)


def _word(value: object, index: int) -> int | None:
    """A member of an object of CPython's, after the object head."""
    return ctypes.c_void_p.from_address(id(value) + object.__basicsize__ + index * _WORD).value
