"""Certificates by TLSA records (DANE: RFC 6698, RFC 7671; with SMTP: RFC 7672), as OpenSSL itself checks them (SSL_dane_enable(3)).

Python's ssl module has no way to ask for this, and OpenSSL is reached as in `net/openssl`: without it there is no DANE, and
TlsFailure says so. Names are matched for trust anchors (DANE-TA) only; for a server's own certificate or key (DANE-EE) neither its
names nor its dates count (RFC 7672 §3.1.1).
"""

import ctypes
import functools
import ssl
from collections.abc import Sequence
from typing import Any

from gatepost.net import openssl
from gatepost.net.port import TLSA
from gatepost.net.tls_parameters import TlsFailure

_USAGES = (2, 3)
_NO_NAMES_FOR_OWN = 1  # DANE_FLAG_NO_DANE_EE_NAMECHECKS of ssl.h
_NUMBERS = {"sha256": 1, "sha512": 2}


class DaneContext(ssl.SSLContext):
    """A client's context whose connections expect a server that `records` tell of. `digests`: tls_dane_digests; `names`: a
    trust anchor's server bears one of them, the first of which is where the records were found."""

    records: Sequence[TLSA] = ()
    names: Sequence[str] = ()

    def expect(self, records: Sequence[TLSA], names: Sequence[str], digests: str) -> None:
        """Raises TlsFailure."""
        functions = _library()
        pointer = ctypes.c_void_p(openssl.context_pointer(self))
        if functions.SSL_CTX_dane_enable(pointer) != 1:
            raise TlsFailure("OpenSSL refuses DANE")
        _choose(functions, pointer, digests)
        self.records, self.names = records, names

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """A connection; raises ssl.SSLError where OpenSSL will not check it."""
        connected = super().wrap_bio(*arguments, **options)
        if self.names and not _enabled(connected, self.names, self.records):
            raise ssl.SSLError("OpenSSL refuses the TLSA records")
        return connected


def usable(records: Sequence[TLSA], digests: str) -> tuple[TLSA, ...]:
    """Those of `records` that a server can be known by: of the usages DANE-TA and DANE-EE (RFC 7672 §3.1.3), well-formed, with a
    digest of `digests` (tls_dane_digests). Raises TlsFailure."""
    connected = _for_trials(digests).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    functions, pointer = _library(), ctypes.c_void_p(openssl.connection_pointer(connected))
    functions.SSL_dane_enable(pointer, b"localhost")
    found = tuple(record for record in records if record.usage in _USAGES and _add(functions, pointer, record))
    functions.ERR_clear_error()
    return found


@functools.lru_cache(maxsize=8)
def _for_trials(digests: str) -> DaneContext:
    """A context whose connections lead nowhere. Raises TlsFailure."""
    context = DaneContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.expect((), (), digests)
    return context


def matches(connected: ssl.SSLObject) -> bool:
    """Whether the server of a finished handshake is the one that the records tell of; `openssl.verification` says why not."""
    if not openssl.is_verified(connected) or not connected.getpeercert(binary_form=True):
        return False
    by_record = _library().SSL_get0_dane_authority(ctypes.c_void_p(openssl.connection_pointer(connected)), None, None)
    return bool(by_record >= 0)


def _enabled(connected: ssl.SSLObject, names: Sequence[str], records: Sequence[TLSA]) -> bool:
    functions, pointer = _library(), ctypes.c_void_p(openssl.connection_pointer(connected))
    if functions.SSL_dane_enable(pointer, names[0].encode()) != 1:
        return False
    functions.SSL_dane_set_flags(pointer, ctypes.c_ulong(_NO_NAMES_FOR_OWN))
    named = all(functions.SSL_add1_host(pointer, name.encode()) == 1 for name in names[1:])
    added = [_add(functions, pointer, record) for record in records]
    return named and any(added)


def _add(functions: ctypes.CDLL, pointer: ctypes.c_void_p, record: TLSA) -> bool:
    fields = (ctypes.c_uint8(record.usage), ctypes.c_uint8(record.selector), ctypes.c_uint8(record.matching))
    return bool(functions.SSL_dane_tlsa_add(pointer, *fields, record.data, ctypes.c_size_t(len(record.data))) == 1)


def _choose(functions: ctypes.CDLL, pointer: ctypes.c_void_p, digests: str) -> None:
    """The digests that count, strongest first: `name`, or `name=number` where the number is not a registered one."""
    wanted = [word.partition("=") for word in digests.replace(",", " ").split()]
    for matching in _NUMBERS.values():
        functions.SSL_CTX_dane_mtype_set(pointer, None, ctypes.c_uint8(matching), ctypes.c_uint8(0))
    for place, (name, _, number) in enumerate(reversed(wanted), 1):
        digest = functions.EVP_get_digestbyname(name.encode())
        matching = int(number) if number.isdecimal() else _NUMBERS.get(name.lower(), 0)
        if not digest or not 0 < matching < 256:
            raise TlsFailure(f'tls_dane_digests: unknown digest algorithm "{name}"')
        functions.SSL_CTX_dane_mtype_set(pointer, ctypes.c_void_p(digest), ctypes.c_uint8(matching), ctypes.c_uint8(place))


def _library() -> ctypes.CDLL:
    """OpenSSL's functions, told of what they take and give. Raises TlsFailure."""
    functions = openssl.library()
    if functions is None:
        raise TlsFailure(openssl.why_not())
    try:
        functions.EVP_get_digestbyname.restype = ctypes.c_void_p
        functions.SSL_dane_set_flags.restype = ctypes.c_ulong
        for name in ("SSL_CTX_dane_enable", "SSL_dane_tlsa_add", "SSL_get0_dane_authority", "SSL_add1_host"):
            getattr(functions, name).restype = ctypes.c_int
    except AttributeError as lacking:
        raise TlsFailure(f"this OpenSSL has no DANE ({lacking})") from None
    return functions
