"""How OpenSSL is given the keys of session tickets (SSL_CTX_set_tlsext_ticket_key_evp_cb(3), OpenSSL 3), which Python's ssl module
has no way to do."""

import ctypes
import os
from typing import TYPE_CHECKING, Any, Final

from gatepost.net import openssl
from gatepost.net.tickets import TicketKeys

if TYPE_CHECKING:
    import ssl

_NAME: Final = 16
_IV: Final = 16
_UTF8, _OCTETS, _UNMODIFIED = 4, 5, ctypes.c_size_t(-1).value  # of OSSL_PARAM(3)
_REFUSED, _TAKEN, _RENEWED = 0, 1, 2  # what the callback may return

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
)


class _Parameter(ctypes.Structure):
    """OSSL_PARAM(3)."""

    _fields_ = (
        ("key", ctypes.c_char_p),
        ("data_type", ctypes.c_uint),
        ("data", ctypes.c_char_p),
        ("data_size", ctypes.c_size_t),
        ("return_size", ctypes.c_size_t),
    )


_kept: list[object] = []
"""OpenSSL calls these for as long as there is a context or a connection of it; there are a few for each process."""


def use_tickets(context: "ssl.SSLContext", keys: TicketKeys) -> bool:
    """Have session tickets of this context made and read with `keys`. False where OpenSSL cannot be asked: then each process has
    keys of its own, which nobody else knows."""
    functions, pointer = openssl.library(), openssl.context_pointer(context)
    if functions is None or pointer is None:
        return False
    try:
        install = functions.SSL_CTX_set_tlsext_ticket_key_evp_cb
        callback = _Callback(_Maker(functions, keys))
    except AttributeError:  # an OpenSSL before version 3
        return False
    install.argtypes, install.restype = (ctypes.c_void_p, _Callback), ctypes.c_int
    _kept.append(callback)
    return bool(install(pointer, callback) == 1)


class _Maker:
    """Sets up cipher and MAC of a ticket, in OpenSSL's own contexts. Whatever goes wrong costs the ticket only: the handshake goes
    on as if there were none."""

    def __init__(self, functions: ctypes.CDLL, keys: TicketKeys) -> None:
        self._keys = keys
        self._cipher = functions.EVP_aes_256_cbc
        self._cipher.restype = ctypes.c_void_p
        self._init = {True: functions.EVP_EncryptInit_ex, False: functions.EVP_DecryptInit_ex}
        for function in self._init.values():
            function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
        self._set_mac = functions.EVP_MAC_CTX_set_params
        self._set_mac.argtypes = (ctypes.c_void_p, ctypes.c_void_p)

    def __call__(self, connection: int, name: int, iv: int, cipher: int, mac: int, making: int) -> int:
        try:
            return self._make(name, iv, cipher, mac) if making else self._read(name, iv, cipher, mac)
        except Exception:  # nothing may be raised into OpenSSL
            return _REFUSED

    def _make(self, name: int, iv: int, cipher: int, mac: int) -> int:
        key, start = self._keys.current(), os.urandom(_IV)
        ctypes.memmove(name, key.name, _NAME)
        ctypes.memmove(iv, start, _IV)
        return _TAKEN if self._set(cipher, mac, key.cipher, key.mac, start, making=True) else _REFUSED

    def _read(self, name: int, iv: int, cipher: int, mac: int) -> int:
        key, old = self._keys.find(ctypes.string_at(name, _NAME))
        if key is None or not self._set(cipher, mac, key.cipher, key.mac, ctypes.string_at(iv, _IV), making=False):
            return _REFUSED
        return _RENEWED if old else _TAKEN

    def _set(self, cipher: int, mac: int, cipher_key: bytes, mac_key: bytes, iv: bytes, *, making: bool) -> bool:
        wanted: Any = (_Parameter * 3)(
            _Parameter(b"key", _OCTETS, mac_key, len(mac_key), _UNMODIFIED),
            _Parameter(b"digest", _UTF8, b"SHA256", len(b"SHA256"), _UNMODIFIED),
        )  # and an empty one, which ends them
        if self._set_mac(mac, wanted) != 1:
            return False
        return bool(self._init[making](cipher, self._cipher(), None, cipher_key, iv) == 1)
