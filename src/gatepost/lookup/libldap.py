"""The OpenLDAP client library, as far as tables need it (ldap(3)).

Calls that only move what has come keep the interpreter's lock, which is quicker; those that may wait for the network (`blocking`)
let go of it and are made in threads. What C gives is copied into values of Python at once and freed here.
"""

import ctypes
import functools
from collections.abc import Callable, Iterator, Mapping
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p
from typing import Any, Final

from msgspec import Struct

LIBRARIES: Final = ("libldap-2.5.so.0", "libldap.so.2")
"""OpenLDAP 2.5 and 2.6."""

OPT_DESC: Final = 0x0001
OPT_DEREF: Final = 0x0002
OPT_REFERRALS: Final = 0x0008
OPT_RESTART: Final = 0x0009
OPT_PROTOCOL_VERSION: Final = 0x0011
OPT_RESULT_CODE: Final = 0x0031
OPT_DIAGNOSTIC_MESSAGE: Final = 0x0032
OPT_DEBUG_LEVEL: Final = 0x5001
OPT_TIMEOUT: Final = 0x5002
OPT_NETWORK_TIMEOUT: Final = 0x5005
_OPT_CONNECT_CB: Final = 0x5011
OPT_TLS_CACERTFILE: Final = 0x6002
OPT_TLS_CACERTDIR: Final = 0x6003
OPT_TLS_CERTFILE: Final = 0x6004
OPT_TLS_KEYFILE: Final = 0x6005
OPT_TLS_REQUIRE_CERT: Final = 0x6006
OPT_TLS_CIPHER_SUITE: Final = 0x6008
OPT_TLS_RANDOM_FILE: Final = 0x6009
OPT_TLS_NEWCTX: Final = 0x600F
OPT_SASL_SECPROPS: Final = 0x6106
_GET_FD, _SET_MAX_INCOMING = 1, 14

TLS_NEVER, TLS_DEMAND = 0, 2

SUCCESS: Final = 0
PROTOCOL_ERROR: Final = 2
TIMELIMIT_EXCEEDED: Final = 3
SIZELIMIT_EXCEEDED: Final = 4
CONSTRAINT: Final = 19
NO_SUCH_OBJECT: Final = 32
INAPPROPRIATE_AUTH: Final = 48
INVALID_CREDENTIALS: Final = 49
BUSY: Final = 51
UNAVAILABLE: Final = 52
UNWILLING: Final = 53
SERVER_DOWN: Final = -1
TIMEOUT: Final = -5
FILTER_ERROR: Final = -7
CONNECT_ERROR: Final = -11

ENTRY: Final = 0x64
RESULT: Final = 0x65
_QUIET: Final = 2


class LibraryMissing(Exception):
    """The library is not installed."""


class LdapError(Exception):
    """A call has failed. `code`: as in ldap_error(3); `words`: the library's own, and the server's where it has said something."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Timeval(Structure):
    _fields_ = (("seconds", c_long), ("microseconds", c_long))


class _Berval(Structure):
    _fields_ = (("length", c_ulong), ("octets", c_void_p))


class _Interact(Structure):
    """What SASL asks of its user (sasl/sasl.h)."""

    _fields_ = (
        ("id", c_ulong),
        ("challenge", c_char_p),
        ("prompt", c_char_p),
        ("default", c_char_p),
        ("result", c_char_p),
        ("length", c_uint),
    )


class Entry(Struct, frozen=True):
    """An entry of the directory. `attributes`: (name, values), in the server's order; values are UTF-8, else surrogate escapes."""

    dn: str
    attributes: tuple[tuple[str, tuple[str, ...]], ...]


_Asked = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint, c_void_p, POINTER(_Interact))
_Printed = ctypes.CFUNCTYPE(None, c_char_p)
_Connected = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
_Disconnected = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)


class _Hooks(Structure):
    """Who is told of connections (struct ldap_conncb)."""

    _fields_ = (("connected", _Connected), ("disconnected", _Disconnected), ("argument", c_void_p))


class Library:
    """The functions. A handle is an address, as `initialize` gives it."""

    def __init__(self) -> None:
        quick, blocking = _load()
        pointer = POINTER(c_void_p)

        def declare(library: Any, name: str, *arguments: Any, result: Any = c_int) -> Any:
            function = library[name]
            function.restype, function.argtypes = result, arguments
            return function

        self._initialize = declare(blocking, "ldap_initialize", pointer, c_char_p)
        self._set = declare(blocking, "ldap_set_option", c_void_p, c_int, c_void_p)
        self._get = declare(quick, "ldap_get_option", c_void_p, c_int, c_void_p)
        self._search = declare(
            quick, "ldap_search_ext", c_void_p, c_char_p, c_int, c_char_p, POINTER(c_char_p), c_int, c_void_p, c_void_p,
            POINTER(Timeval), c_int, POINTER(c_int),
        )  # fmt: skip
        self._result = declare(quick, "ldap_result", c_void_p, c_int, c_int, POINTER(Timeval), pointer)
        self._wait = declare(blocking, "ldap_result", c_void_p, c_int, c_int, POINTER(Timeval), pointer)
        self._parse = declare(
            quick, "ldap_parse_result", c_void_p, c_void_p, POINTER(c_int), c_void_p, pointer, c_void_p, c_void_p, c_int
        )
        self._dn = declare(quick, "ldap_get_dn_ber", c_void_p, c_void_p, pointer, POINTER(_Berval))
        self._attribute = declare(
            quick, "ldap_get_attribute_ber", c_void_p, c_void_p, c_void_p, POINTER(_Berval), POINTER(POINTER(_Berval))
        )
        self.free_message = declare(quick, "ldap_msgfree", c_void_p)
        self._free = declare(quick, "ldap_memfree", c_void_p, result=None)
        self._free_ber = declare(quick, "ber_free", c_void_p, c_int, result=None)
        self._sockbuf_ctrl = declare(quick, "ber_sockbuf_ctrl", c_void_p, c_int, c_void_p)
        self._err2string = declare(quick, "ldap_err2string", c_int, result=c_char_p)
        self.unbind = declare(quick, "ldap_unbind_ext_s", c_void_p, c_void_p, c_void_p)
        self._set_printer = declare(quick, "ber_set_option", c_void_p, c_int, c_void_p)
        self._connect = declare(blocking, "ldap_connect", c_void_p)
        self._start_tls = declare(blocking, "ldap_start_tls_s", c_void_p, c_void_p, c_void_p)
        self._bind = declare(
            blocking, "ldap_sasl_bind_s", c_void_p, c_char_p, c_char_p, POINTER(_Berval), c_void_p, c_void_p, c_void_p
        )
        self._sasl_bind = declare(
            blocking, "ldap_sasl_interactive_bind_s", c_void_p, c_char_p, c_char_p, c_void_p, c_void_p, c_uint, _Asked, c_void_p
        )
        self._printer: Any = None

    def words(self, code: int) -> str:
        """What a code means."""
        text: bytes = self._err2string(code)
        return text.decode("ascii", "replace")

    def initialize(self, url: str) -> int:
        """A handle for a server; nothing is sent yet, but the library may look up this host's name. Raises LdapError."""
        handle = c_void_p()
        self._check(0, self._initialize(byref(handle), _octets(url)))
        assert handle.value is not None
        return handle.value

    def set_number(self, handle: int | None, option: int, value: int) -> None:
        """An option of a handle, None: of all. Raises LdapError."""
        self._check(handle or 0, self._set(handle, option, byref(c_int(value))))

    def set_flag(self, handle: int, option: int, value: bool) -> None:
        """An option that is on or off. Raises LdapError."""
        self._check(handle, self._set(handle, option, c_void_p(1 if value else None)))

    def set_text(self, handle: int, option: int, value: str) -> None:
        """Raises LdapError."""
        self._check(handle, self._set(handle, option, ctypes.cast(c_char_p(_octets(value)), c_void_p)))

    def set_seconds(self, handle: int, option: int, seconds: int) -> None:
        """Raises LdapError."""
        self._check(handle, self._set(handle, option, byref(Timeval(seconds, 0))))

    def tell_connections(self, handle: int, connected: Callable[[int], bool], disconnected: Callable[[int], None]) -> object:
        """Have each connection of a handle told of, by the address of its buffer: before anything is sent over it, in the thread
        that opens it (`connected` says whether it may be used), and when it is closed. What is returned has to live as long as the
        handle. Raises LdapError."""
        hooks = _Hooks(
            _Connected(lambda handle, buffer, *_: 0 if connected(buffer) else -1),
            _Disconnected(lambda handle, buffer, _: disconnected(buffer)),
            None,
        )
        self._check(handle, self._set(handle, _OPT_CONNECT_CB, byref(hooks)))
        return hooks

    def limit_messages(self, buffer: int, octets: int) -> None:
        """The most octets of one message of the server, to which an entry is one. `buffer`: of a connection."""
        self._sockbuf_ctrl(buffer, _SET_MAX_INCOMING, byref(c_size_t(octets)))

    def descriptor_of(self, buffer: int) -> int:
        """The socket of a connection."""
        number = c_int(-1)
        self._sockbuf_ctrl(buffer, _GET_FD, byref(number))
        return number.value

    def descriptor(self, handle: int) -> int:
        """The socket of a handle that is connected."""
        number = c_int(-1)
        self._get(handle, OPT_DESC, byref(number))
        return number.value

    # May wait: to be called in a thread.

    def connect(self, handle: int) -> None:
        """Raises LdapError."""
        self._check(handle, self._connect(handle))

    def start_tls(self, handle: int) -> None:
        """Raises LdapError."""
        self._check(handle, self._start_tls(handle, None, None))

    def bind(self, handle: int, dn: str, password: str) -> None:
        """A simple bind. Raises LdapError."""
        octets = _octets(password)
        secret = _Berval(len(octets), ctypes.cast(c_char_p(octets), c_void_p))
        self._check(handle, self._bind(handle, _octets(dn), None, byref(secret), None, None, None))

    def sasl_bind(self, handle: int, dn: str, mechanisms: str, answers: Mapping[int, str]) -> None:
        """A SASL bind. `answers`: what it may ask for (SASL_CB_*). Raises LdapError."""
        kept = {name: _octets(value) for name, value in answers.items() if value}
        alive: list[bytes] = []  # the library is given their addresses, and reads them once the answer is given

        def answer(handle: int, flags: int, defaults: int, asked: Any) -> int:
            for one in _until_end(asked):
                text = kept.get(one.id, one.default or b"")
                alive.append(text)
                one.result, one.length = text, len(text)
            return SUCCESS

        self._check(
            handle,
            self._sasl_bind(handle, _octets(dn) or None, _octets(mechanisms) or None, None, None, _QUIET, _Asked(answer), None),
        )

    # Searches

    def search(self, handle: int, base: str, scope: int, filter: str, attributes: Any, seconds: int, most: int) -> int:
        """Send a search; its number. `attributes`: from `attribute_list`; `most`: entries, 0 for any number. Raises LdapError."""
        number = c_int()
        limit = Timeval(seconds, 0)
        code = self._search(
            handle, _octets(base), scope, _octets(filter), attributes, 0, None, None, byref(limit), most, byref(number)
        )
        self._check(handle, code)
        return number.value

    def next(self, handle: int, number: int, wait: int = 0) -> tuple[int, int] | None:
        """(type, message) of what has come for a search, None where nothing has. `wait`: seconds to wait for it, in a thread. The
        message is to be freed. Raises LdapError."""
        message = c_void_p()
        call = self._wait if wait else self._result
        kind: int = call(handle, number, 0, byref(Timeval(wait, 0)), byref(message))
        if kind == 0:
            return None
        if kind < 0:
            raise LdapError(*self._last(handle))
        return kind, message.value or 0

    def outcome(self, handle: int, message: int) -> tuple[int, str]:
        """(code, words) of the end of a search. Frees the message. Raises LdapError."""
        code, text = c_int(), c_void_p()
        self._check(handle, self._parse(handle, message, byref(code), None, byref(text), None, None, 1))
        return code.value, self._said(code.value, text)

    def entry(self, handle: int, message: int) -> Entry:
        """An entry. Frees the message. Raises LdapError for one that cannot be read."""
        ber = c_void_p()
        try:
            dn = _Berval()
            self._check(handle, self._dn(handle, message, byref(ber), byref(dn)))
            return Entry(_text(dn), tuple(self._attributes(handle, message, ber)))
        finally:
            if ber.value:
                self._free_ber(ber, 0)
            self.free_message(message)

    def _attributes(self, handle: int, message: int, ber: c_void_p) -> Iterator[tuple[str, tuple[str, ...]]]:
        name, values = _Berval(), POINTER(_Berval)()
        while True:
            self._check(handle, self._attribute(handle, message, ber, byref(name), byref(values)))
            if not name.octets:
                return
            found: list[str] = []
            if values:
                index = 0
                while values[index].octets:
                    found.append(_text(values[index]))
                    index += 1
                self._free(values)
            yield _text(name), tuple(found)

    def print_to(self, tell: Any) -> None:
        """Where the library's own log goes (debuglevel); it has one place for all handles."""
        printer = _Printed(lambda line: tell(line.decode("utf-8", "replace").rstrip("\n")))
        self._set_printer(None, 0x8001, ctypes.cast(printer, c_void_p))
        self._printer = printer  # only now may the one before go, which another thread might have called

    def _check(self, handle: int, code: int) -> None:
        if code != SUCCESS:
            raise LdapError(*(self._last(handle) if code == -1 and handle else (code, self._diagnosis(handle, code))))

    def _last(self, handle: int) -> tuple[int, str]:
        """The code of a call that returned -1."""
        code = c_int()
        self._get(handle, OPT_RESULT_CODE, byref(code))
        return code.value or SERVER_DOWN, self._diagnosis(handle, code.value or SERVER_DOWN)

    def _diagnosis(self, handle: int, code: int) -> str:
        text = c_void_p()
        if handle:
            self._get(handle, OPT_DIAGNOSTIC_MESSAGE, byref(text))
        return self._said(code, text)

    def _said(self, code: int, text: c_void_p) -> str:
        """The words of a code, and what was said about it, which is freed."""
        more = ctypes.string_at(text.value).decode("utf-8", "replace")[:_LONGEST] if text.value else ""
        if text.value:
            self._free(text)
        return f"{self.words(code)} ({more})" if more and more != _NOTHING_SAID else self.words(code)


_NOTHING_SAID: Final = "(unknown error code)"
"""What GnuTLS says of an error that is none of its own."""

_LONGEST: Final = 200
"""Characters of what a server says of a failure."""


def attribute_list(names: tuple[str, ...]) -> Any:
    """What a search asks for, in C's form. Of no attributes the entry alone is asked for (RFC 4511, 4.5.1.8)."""
    octets = [_octets(name) for name in names] or [b"1.1"]
    return (c_char_p * (len(octets) + 1))(*octets, None)


@functools.cache
def library() -> Library:
    """The library, loaded once. Raises LibraryMissing."""
    return Library()


def _load() -> tuple[ctypes.PyDLL, ctypes.CDLL]:
    for name in LIBRARIES:
        try:
            return ctypes.PyDLL(name), ctypes.CDLL(name)
        except OSError:
            continue
    raise LibraryMissing(f"{' or '.join(LIBRARIES)} cannot be loaded")


def _until_end(asked: Any) -> Iterator[Any]:
    index = 0
    while asked[index].id:
        yield asked[index]
        index += 1


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(value: _Berval) -> str:
    return ctypes.string_at(value.octets, value.length).decode("utf-8", "surrogateescape") if value.octets else ""
