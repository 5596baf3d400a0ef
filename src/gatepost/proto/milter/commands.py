"""What an MTA sends to a filter: each function gives a packet (SMFIC_*)."""

from collections.abc import Iterable, Iterator, Mapping

from gatepost.proto.milter.packets import NUL, packet, strings

CONNECT = ord("C")
HELO = ord("H")
MAIL = ord("M")
RCPT = ord("R")
DATA = ord("T")
UNKNOWN = ord("U")
HEADER = ord("L")
END_OF_HEADERS = ord("N")
BODY = ord("B")
END_OF_MESSAGE = ord("E")
MACROS = ord("D")

CHUNK = 65535
"""Octets of a body in one packet (MILTER_CHUNK_SIZE)."""

ABORT = packet(ord("A"))
"""The message is over; the session goes on. It has no answer, as leaving has none."""
QUIT = packet(ord("Q"))
END_OF_HEADERS_PACKET = packet(END_OF_HEADERS)
DATA_PACKET = packet(DATA)
END_OF_MESSAGE_PACKET = packet(END_OF_MESSAGE)


def macros(command: int, values: Mapping[str, str]) -> bytes:
    """Macros of the command that comes next. Names of more than a letter stand in braces."""
    parts = [part for pair in values.items() for part in pair]
    text = "".join([f"{part}\0" for part in parts])
    if text.count("\0") != len(parts):  # some client's, which would end a value early
        text = "".join(["{}\0".format(part.replace("\0", " ")) for part in parts])
    return packet(MACROS, bytes((command,)) + text.encode("utf-8", "surrogateescape"))


def connect(name: str, family: str, port: int, address: str) -> bytes:
    """A client. `family`: `4`, `6` (with `address` and `port`), `L` (a local socket, `address` its path) or `U`, of which no more
    is known."""
    data = strings((_octets(name),)) + family.encode("ascii")
    if family != "U":
        data += port.to_bytes(2, "big") + strings((_octets(address),))
    return packet(CONNECT, data)


def helo(name: str) -> bytes:
    """HELO, EHLO or LHLO."""
    return packet(HELO, strings((_octets(name),)))


def mail(arguments: Iterable[str]) -> bytes:
    """MAIL: the address in `<...>`, and the parameters behind it."""
    return packet(MAIL, strings(map(_octets, arguments)))


def rcpt(arguments: Iterable[str]) -> bytes:
    """RCPT: as MAIL."""
    return packet(RCPT, strings(map(_octets, arguments)))


def unknown(line: bytes) -> bytes:
    """A line that is no command."""
    return packet(UNKNOWN, strings((line,)))


def header(raw: bytes, *, leading_space: bool) -> bytes:
    """A header as it stands in the message. Its lines go over with LF between them; `leading_space`: with the blank after the
    colon, else without, as filters put one there again."""
    name, _, value = raw.rstrip(b"\r\n").partition(b":")
    if not leading_space:
        value = value.removeprefix(b" ")
    return packet(HEADER, strings((name, value.replace(b"\r\n", b"\n"))))


def body(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A body in packets, each as full as may be."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        at = 0
        while len(held) - at >= CHUNK:
            yield packet(BODY, bytes(held[at : at + CHUNK]))
            at += CHUNK
        del held[:at]
    if held:
        yield packet(BODY, bytes(held))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape").replace(NUL, b" ")
