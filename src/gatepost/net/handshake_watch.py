"""What OpenSSL says on the way of a handshake, which Python's ssl module does not pass on: the states that it goes through
(smtpd_tls_loglevel = 2), and for one that fails each error with its place in OpenSSL's source, as Postfix logs them
(SSL_CTX_set_info_callback(3), ERR_get_error_all(3)).

OpenSSL tells while a handshake takes a step. Only one is taking a step at a time, in the thread of the loop, so that what was told
meanwhile is of the connection whose step it was.
"""

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gatepost.net import openssl

if TYPE_CHECKING:
    import ssl

_LOOP, _EXIT, _READ, _ALERT, _ACCEPT = 0x01, 0x02, 0x04, 0x4000, 0x2000  # SSL_CB_... of ssl.h
_ROOM: Final = 256  # octets for ERR_error_string_n(3)
_HAS_DATA: Final = 0x02  # ERR_TXT_STRING of err.h

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)

_kept: list[object] = []
"""OpenSSL calls these for as long as there is a context or a connection of it; there are a few for each process."""


class Watch:
    """Listens to the handshakes of a context. `states`: of the one that takes a step now, as Postfix logs them (`SSL_accept:before
    SSL initialization`), where it `tells`; `faults`: its errors, the first and the last of OpenSSL's queue."""

    def __init__(self, functions: ctypes.CDLL, *, tells: bool) -> None:
        """Raises AttributeError where this OpenSSL lacks a function."""
        self.states: list[str] = []
        self.faults: list[str] = []
        self._tells = tells
        self._state = _text_of(functions.SSL_state_string_long, ctypes.c_void_p)
        self._severity = _text_of(functions.SSL_alert_type_string_long, ctypes.c_int)
        self._alert = _text_of(functions.SSL_alert_desc_string_long, ctypes.c_int)
        self._peeks = (functions.ERR_peek_error_all, functions.ERR_peek_last_error_all)
        self._any = functions.ERR_peek_error
        for peek in (self._any, *self._peeks):
            peek.restype = ctypes.c_ulong
        self._words = functions.ERR_error_string_n
        self._words.argtypes, self._words.restype = (ctypes.c_ulong, ctypes.c_char_p, ctypes.c_size_t), None

    def begin(self) -> None:
        """Another step is taken: nothing was told of it yet."""
        self.states, self.faults = [], []

    def __call__(self, connection: int, where: int, value: int) -> None:
        """OpenSSL's info callback."""
        try:
            self._hear(connection, where, value)
        except Exception:  # nothing may be raised into OpenSSL
            return

    def _hear(self, connection: int, where: int, value: int) -> None:
        if where & _EXIT and value <= 0 and self._any():
            self.faults = self._read_faults()
        if self._tells and (text := self._told(connection, where, value)):
            self.states.append(text)

    def _told(self, connection: int, where: int, value: int) -> str:
        """A line for the log, empty where there is nothing to say."""
        role = "SSL_accept" if where & _ACCEPT else "SSL_connect"
        if where & _LOOP:
            return f"{role}:{self._state(connection)}"
        if where & _ALERT:
            return f"SSL3 alert {'read' if where & _READ else 'write'}:{self._severity(value)}:{self._alert(value)}"
        return f"{role}:error in {self._state(connection)}" if where & _EXIT and self.faults else ""

    def _read_faults(self) -> list[str]:
        """The errors as they stand; Python's ssl module finds them where they were."""
        return list(dict.fromkeys(text for peek in self._peeks if (text := self._fault(peek))))

    def _fault(self, peek: Any) -> str:
        file, data = ctypes.c_char_p(), ctypes.c_char_p()
        line, flags = ctypes.c_int(), ctypes.c_int()
        code = peek(ctypes.byref(file), ctypes.byref(line), None, ctypes.byref(data), ctypes.byref(flags))
        if not code:
            return ""
        words = ctypes.create_string_buffer(_ROOM)
        self._words(code, words, _ROOM)
        more = f"{_decoded(data.value)}:" if flags.value & _HAS_DATA else ""
        return f"{_decoded(words.value)}:{_decoded(file.value)}:{line.value}:{more}"


def watch(context: "ssl.SSLContext", *, states: bool) -> Callable[["ssl.SSLContext"], None]:
    """Let the connections of a context know of their handshakes: `handshake_states` of a connection that has finished it, and both
    `handshake_states` and `handshake_faults` of the ssl.SSLError where it failed. Where OpenSSL cannot be asked, nobody knows.
    Returns what has another context listened to as well, to which connections of the first one may change."""
    functions = openssl.library()
    if functions is None:
        return _nothing
    try:
        listener, install = Watch(functions, tells=states), functions.SSL_CTX_set_info_callback
    except AttributeError:
        return _nothing
    callback = _Callback(listener)
    _kept.append(callback)
    install.argtypes, install.restype = (ctypes.c_void_p, _Callback), None

    def join(another: "ssl.SSLContext") -> None:
        install(openssl.context_pointer(another), callback)

    join(context)
    context.sslobject_class = _watched(listener)
    return join


def _nothing(_: "ssl.SSLContext") -> None:
    return None


def _watched(listener: Watch) -> type["ssl.SSLObject"]:
    """The class of connections whose handshakes `listener` hears."""
    import ssl

    class Watched(ssl.SSLObject):
        handshake_states: tuple[str, ...] = ()

        def do_handshake(self) -> None:
            listener.begin()
            try:
                super().do_handshake()
            except ssl.SSLError as error:
                told: Any = error
                told.handshake_faults = tuple(listener.faults)
                told.handshake_states = (*self.handshake_states, *listener.states)
                raise
            finally:
                self.handshake_states += tuple(listener.states)

    return Watched


def faults_of(error: OSError) -> tuple[str, ...]:
    """The errors of OpenSSL's for which a handshake failed; of an `error` that was not watched, what Python says."""
    import ssl

    told: tuple[str, ...] = getattr(error, "handshake_faults", ())
    if told or not isinstance(error, ssl.SSLError):
        return told
    words = (error.reason or str(error)).lower().replace("_", " ")
    return (f"error:{error.library} routines::{words}",)


def states_of(told: object) -> tuple[str, ...]:
    """The states that a connection, or the error of one, went through; none where they are not listened to."""
    return getattr(told, "handshake_states", ())


def _text_of(function: Any, argument: Any) -> Callable[[int], str]:
    """A function of OpenSSL's that gives a constant text."""
    function.argtypes, function.restype = (argument,), ctypes.c_char_p
    return lambda value: _decoded(function(value))


def _decoded(text: bytes | None) -> str:
    return (text or b"").decode("ascii", "replace")
