"""OpenSSL as Python's ssl module uses it, for the few things that the module has no way to ask of it.

For verify depth, groups, session times and ticket keys the module has no interface (Python 3.11 to 3.13), so that OpenSSL is asked
itself: the library is the one that the module is linked to, and its objects are found where CPython keeps them. Both are proved
before first use, by reading back what the module was told. Where the proof fails there is no library, whoever asks does without,
and `why_not` says so.
"""

import ctypes
import functools
import os
import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_WORD: Final = ctypes.sizeof(ctypes.c_void_p)
_LOOKED_AT: Final = 512  # octets of OpenSSL's objects that the proof may look at, at least
_MASK: Final = (1 << 64) - 1
_SET_GROUPS_LIST: Final = 92  # SSL_CTRL_SET_GROUPS_LIST of ssl.h
_ANY_PURPOSE: Final = 7  # X509_PURPOSE_ANY of x509v3.h
_SET_SESSION_CACHE: Final = 44  # SSL_CTRL_SET_SESS_CACHE_MODE


def library() -> ctypes.CDLL | None:
    """The functions of OpenSSL, None where `why_not`; one that this OpenSSL has not is an AttributeError when it is named."""
    return _proved()[0]


def why_not() -> str:
    """Why OpenSSL cannot be asked; empty where it can."""
    return _proved()[1]


@functools.cache
def _proved() -> tuple[ctypes.CDLL | None, str]:
    import _ssl

    file = getattr(_ssl, "__file__", None)
    if platform.python_implementation() != "CPython" or file is None:
        return None, "this Python's ssl module is none that Gatepost knows"
    try:
        functions = ctypes.CDLL(file)
        wrong = misplaced(functions)
    except (OSError, AttributeError) as error:
        return None, f"the OpenSSL of Python's ssl module cannot be asked ({error})"
    return (None, wrong) if wrong else (functions, "")


def misplaced(functions: ctypes.CDLL) -> str:
    """What is not where CPython keeps it, as of 3.11; empty where all is. Raises AttributeError where OpenSSL lacks a
    function."""
    import ssl

    options, of_connection = functions.SSL_CTX_get_options, functions.SSL_get_SSL_CTX
    options.argtypes, options.restype = (ctypes.c_void_p,), ctypes.c_uint64
    of_connection.argtypes, of_connection.restype = (ctypes.c_void_p,), ctypes.c_void_p
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for told in (ssl.OP_NO_TICKET, ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE):
        context.options = told
        pointer = context_pointer(context)
        if not _readable(pointer) or options(pointer) & _MASK != context.options & _MASK:
            return "this Python keeps TLS contexts elsewhere"
    connected = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    connection = connection_pointer(connected)
    if not _readable(connection) or of_connection(connection) != pointer:
        return "this Python keeps TLS connections elsewhere"
    return ""


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


def trust_any_purpose(context: "ssl.SSLContext") -> bool:
    """Let the certificates of clients count whatever they were made for (tls_trust_server_ccerts): those of servers, too. False
    where OpenSSL cannot be asked, and only certificates for clients count."""
    functions = library()
    if functions is None:
        return False
    return bool(functions.SSL_CTX_set_purpose(ctypes.c_void_p(context_pointer(context)), _ANY_PURPOSE) == 1)


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
    """Whether the other end's certificate verified, of a connection that goes on either way."""
    return verification(connected) == (0, "")


def verification(connected: "ssl.SSLObject") -> tuple[int, str]:
    """OpenSSL's number and words for what it has against the other end's certificate (SSL_get_verify_result(3); of a session that
    is resumed, too); 0 and nothing where it is trusted. Where OpenSSL cannot be asked, nobody is."""
    functions, pointer = library(), connection_pointer(connected)
    if functions is None or pointer is None:
        return 1, why_not() or "OpenSSL cannot be asked"
    result, words = functions.SSL_get_verify_result, functions.X509_verify_cert_error_string
    result.argtypes, result.restype = (ctypes.c_void_p,), ctypes.c_long
    words.argtypes, words.restype = (ctypes.c_long,), ctypes.c_char_p
    number = int(result(pointer))
    return number, (words(number) or b"unknown").decode("ascii", "replace") if number else ""


def own_certificate(connected: "ssl.SSLObject") -> bytes:
    """The certificate that this end shows, in DER; empty where it has none, or OpenSSL cannot be asked."""
    functions, pointer = library(), connection_pointer(connected)
    if functions is None or pointer is None:
        return b""
    get, encode = functions.SSL_get_certificate, functions.i2d_X509
    get.argtypes, get.restype = (ctypes.c_void_p,), ctypes.c_void_p
    encode.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    certificate = get(pointer)
    size = encode(certificate, None) if certificate else 0
    if size <= 0:
        return b""
    octets = ctypes.create_string_buffer(size)
    encode(certificate, ctypes.byref(ctypes.c_void_p(ctypes.addressof(octets))))
    return octets.raw


def _readable(pointer: int | None) -> bool:
    """Whether there is memory: the kernel is asked, whom a wrong address does not end."""
    if not pointer or pointer % _WORD:
        return False
    reading, writing = os.pipe()
    try:
        return bool(ctypes.CDLL(None).write(writing, ctypes.c_void_p(pointer), ctypes.c_size_t(_LOOKED_AT)) == _LOOKED_AT)
    finally:
        os.close(reading)
        os.close(writing)


def _word(value: object, index: int) -> int | None:
    """A member of an object of CPython's, after the object head."""
    return ctypes.c_void_p.from_address(id(value) + object.__basicsize__ + index * _WORD).value
