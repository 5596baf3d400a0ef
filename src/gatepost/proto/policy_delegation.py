"""The policy delegation protocol, sans-IO, for either end (SMTPD_POLICY_README).

A request and a reply have one form: lines `name=value`, ended by an empty line.
"""

from collections.abc import Iterable, Mapping

from gatepost.proto.exchange import Exchange, ProtocolError

SIZE_LIMIT = 65536
"""Octets of one request or reply; more is an error, whoever sent it."""


NO_ACTION = "missing attribute action"
"""What is wrong with an answer that says everything but what to do."""

CUT_SHORT = "premature end-of-input while reading input attribute"
"""What is wrong with an answer that breaks off; `name` or `value` follows."""

_FORBIDDEN = str.maketrans({"\n": "?", "\r": "?", "\0": "?"})


def encode(attributes: Mapping[str, str]) -> bytes:
    """Attributes on the wire; what a value must not contain is sent as `?`."""
    lines = [f"{name}={value.translate(_FORBIDDEN)}\n" for name, value in attributes.items()]
    return ("".join(lines) + "\n").encode("utf-8", "surrogateescape")


class Reader:
    """Collects octets into sets of attributes."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def pending(self) -> bool:
        """Whether part of a set has come in."""
        return bool(self._buffer)

    @property
    def part(self) -> str:
        """What of an attribute was to come next: its name or its value."""
        return "value" if b"=" in self._buffer.rpartition(b"\n")[2] else "name"

    def feed(self, octets: bytes) -> list[dict[str, str]]:
        """The sets of attributes that are complete now. The first value of a name counts; lines that are no
        attribute say nothing. Raises ProtocolError."""
        buffer = self._buffer + octets
        sets = []
        at = 0
        while True:
            if buffer.startswith(b"\n", at):  # a set without attributes
                head, at = b"", at + 1
            elif (end := buffer.find(b"\n\n", at)) >= 0:
                head, at = buffer[at:end], end + 2
            else:
                break
            sets.append(_attributes(head))
        self._buffer = buffer[at:]
        if len(self._buffer) > SIZE_LIMIT:
            raise ProtocolError("attributes without end")
        return sets


def _attributes(head: bytes) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for line in head.decode("utf-8", "surrogateescape").split("\n") if head else ():
        name, equals, value = line.partition("=")
        if equals:
            attributes.setdefault(name, value)
    return attributes


class Query(Exchange[str]):
    """A request, and the action that the server answers. It may be asked twice: servers expect that."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._reader = Reader()

    def question(self) -> Iterable[bytes]:
        return (self._request,)

    def feed(self, octets: bytes) -> bytes:
        if sets := self._reader.feed(octets):
            action = sets[0].get("action")
            if action is None:
                raise ProtocolError(NO_ACTION)
            self.finish(action, reusable=len(sets) == 1 and not self._reader.pending)
        return b""

    def ended(self) -> None:
        """Raises ProtocolError where part of an answer has come."""
        if self._reader.pending:
            raise ProtocolError(f"{CUT_SHORT} {self._reader.part}")
