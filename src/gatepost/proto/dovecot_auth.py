"""The protocol of Dovecot's authentication server, the client's side, version 1, sans-IO: lines of words between tabs.

Requests carry numbers, and many may be under way on one connection.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from gatepost.mail.address import from_bytes, to_bytes
from gatepost.proto.exchange import Exchange, ProtocolError

LINE_LIMIT = 16384
"""Octets of a line."""

_MAJOR = "1"
_ESCAPES = str.maketrans({"\0": "\x010", "\x01": "\x011", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n"})


class MechanismOffered(Struct, frozen=True):
    """MECH. `properties`: `plaintext`, `dictionary` …"""

    name: str
    properties: frozenset[str]


class Succeeded(Struct, frozen=True):
    """OK: the log-in of a user."""

    number: int
    user: str


class Refused(Struct, frozen=True):
    """FAIL. `user`: None where it is not known; `temporary`: the server could not find out."""

    number: int
    user: str | None
    reason: str
    temporary: bool


class Continued(Struct, frozen=True):
    """CONT: what to ask the client, in base64."""

    number: int
    challenge: str


Message = Succeeded | Refused | Continued


def hello(process: int) -> bytes:
    """What the client says first. `process`: its number, by which the server tells its clients from each other."""
    return f"VERSION\t1\t1\nCPID\t{process}\n".encode()


def begin(number: int, mechanism: str, service: str, local: str, remote: str, *, secured: bool, initial: str | None) -> bytes:
    """AUTH. `local`, `remote`: addresses of both ends, empty where there are none; `initial`: in base64."""
    words = ["AUTH", str(number), mechanism, f"service={service}", "nologin"]
    words += [f"{name}={address}" for name, address in (("lip", local), ("rip", remote)) if address]
    words += ["secured"] if secured else []
    words += [f"resp={initial}"] if initial is not None else []  # which has to come last
    return _line(words)


def go_on(number: int, response: str) -> bytes:
    """CONT: the client's response, in base64."""
    return _line(["CONT", str(number), response])


def cancel(number: int) -> bytes:
    """CANCEL: nobody waits for that request any more."""
    return _line(["CANCEL", str(number)])


def _line(words: list[str]) -> bytes:
    return to_bytes("\t".join(word.translate(_ESCAPES) for word in words) + "\n")


class _Lines:
    """Octets into lines of words."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def pending(self) -> bool:
        return bool(self._rest)

    def feed(self, octets: bytes) -> list[list[str]]:
        """Raises ProtocolError."""
        *lines, self._rest = (self._rest + octets).split(b"\n") if b"\n" in octets else [self._rest + octets]
        if max(map(len, (*lines, self._rest))) > LINE_LIMIT:
            raise ProtocolError("a line without end")
        return [from_bytes(line).split("\t") for line in lines]


class Greeting(Exchange[tuple[MechanismOffered, ...]]):
    """What both ends say first; the mechanisms that the server has."""

    server_first = True

    def __init__(self, process: int) -> None:
        self._process = process
        self._lines = _Lines()
        self._offered: list[MechanismOffered] = []
        self._version = ""

    def question(self) -> Iterable[bytes]:
        return (hello(self._process),)

    def feed(self, octets: bytes) -> bytes:
        lines = self._lines.feed(octets)
        for at, words in enumerate(lines):
            if words[0] == "VERSION":
                self._version = (*words, "")[1]
            elif words[0] == "MECH" and len(words) > 1:
                self._offered.append(MechanismOffered(words[1].upper(), frozenset(words[2:])))
            elif words[0] == "DONE":
                if self._version != _MAJOR:
                    raise ProtocolError("authentication server has an incompatible protocol version")
                last = at == len(lines) - 1 and not self._lines.pending
                self.finish(tuple(self._offered), reusable=last)
                break
        return b""


class Listening(Exchange[None]):
    """What comes then, for as long as the connection lasts. `heard`: is told of each answer."""

    idempotent = False

    def __init__(self, heard: Callable[[Message], None]) -> None:
        self._heard = heard
        self._lines = _Lines()

    def question(self) -> Iterable[bytes]:
        return ()

    def feed(self, octets: bytes) -> bytes:
        for words in self._lines.feed(octets):
            read = _MESSAGES.get(words[0])
            if read is not None:  # others are news of a later version
                if len(words) < 2 or not words[1].isascii() or not words[1].isdigit() or len(words[1]) > 10:
                    raise ProtocolError("an answer without a number")
                self._heard(read(int(words[1]), words[2:]))
        return b""


def _succeeded(number: int, words: list[str]) -> Message:
    user = _fields(words).get("user")
    if not user:
        raise ProtocolError("an OK without a user")
    return Succeeded(number, user)


def _refused(number: int, words: list[str]) -> Message:
    fields = _fields(words)
    temporary = "temp" in words or fields.get("code") == "temp_fail"
    return Refused(number, fields.get("user"), fields.get("reason") or "(reason unavailable)", temporary)


def _continued(number: int, words: list[str]) -> Message:
    return Continued(number, words[0] if words else "")


_MESSAGES: dict[str, Callable[[int, list[str]], Message]] = {"OK": _succeeded, "FAIL": _refused, "CONT": _continued}


def _fields(words: list[str]) -> dict[str, str]:
    return {name: _unescaped(value) for name, equals, value in (word.partition("=") for word in words) if equals}


_UNESCAPES = {"0": "\0", "1": "\x01", "t": "\t", "r": "\r", "n": "\n"}


def _unescaped(value: str) -> str:
    head, *parts = value.split("\x01")
    return head + "".join(_UNESCAPES.get(part[:1], part[:1]) + part[1:] for part in parts)
