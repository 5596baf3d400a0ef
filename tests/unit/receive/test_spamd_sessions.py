"""Clients of a `spamd` service: what they are told, whatever they do, and whatever the scanner does."""

import asyncio
import socket

import pytest

from gatepost.events.records import Event
from gatepost.filter.scanning import ScanFailed
from gatepost.filter.spamassassin_marks import Hit, Scored
from gatepost.lookup.port import LookupFailure
from gatepost.receive.spamd import SpamdPorts, SpamdServer

SPAM = Scored(9.0, 5.0, (Hit("LOUD", 9.0),), "host", "1")
REQUEST = b"SYMBOLS SPAMC/1.5\r\nContent-length: 3\r\n\r\na\n\n"


async def never(message: bytes) -> Scored:
    await asyncio.Event().wait()
    return SPAM


async def away(message: bytes) -> Scored:
    raise ScanFailed("no scanner")


async def broken(message: bytes) -> Scored:
    raise KeyError("x")


async def spam(message: bytes) -> Scored:
    return SPAM


async def anybody(name: str, address: str) -> bool:
    return True


async def nobody(name: str, address: str) -> bool:
    return False


async def unknown(name: str, address: str) -> bool:
    raise LookupFailure("mynetworks")


def told(
    request: bytes, *, score=spam, authorized=anybody, ends=True, most=1000, held=1000, time_limit=5.0
) -> tuple[bytes, list[Event]]:  # type: ignore[no-untyped-def]
    """What a client hears, and what the log does. `ends`: the client sends no more."""
    events: list[Event] = []
    faults: list[BaseException] = []

    async def run() -> bytes:
        ports = SpamdPorts(authorized, score, events.append, lambda: 0.0, lambda error, what: faults.append(error))
        server = SpamdServer(ports, most, time_limit, held)

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.serve(reader, writer)
            writer.close()

        listener = await asyncio.start_server(one, "127.0.0.1", 0, family=socket.AF_INET)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(request)
        if ends:
            writer.write_eof()
        heard = await reader.read()
        writer.close()
        listener.close()
        return heard

    heard = asyncio.run(run())
    assert bool(faults) is (score is broken)
    return heard, events


def test_what_a_message_is() -> None:
    heard, events = told(REQUEST, ends=False)
    assert heard == b"SPAMD/1.1 0 EX_OK\r\nContent-length: 4\r\nSpam: True ; 9.0 / 5.0\r\n\r\nLOUD"
    assert [event.text for event in events] == [  # type: ignore[union-attr]
        "identified spam (9.0/5.0) for (unknown) in 0.0 seconds, 3 bytes.",
        "result: Y 9 - LOUD scantime=0.0,size=3,user=(unknown),required_score=5.0",
    ]


@pytest.mark.parametrize(
    ("request_", "answer"), [(b"PING SPAMC/1.5\r\n\r\n", b"SPAMD/1.5 0 PONG\r\n"), (b"SKIP SPAMC/1.5\r\n\r\n", b"")]
)
def test_no_message(request_: bytes, answer: bytes) -> None:
    assert told(request_, ends=False)[0] == answer


@pytest.mark.parametrize("score", [away, broken])
def test_nobody_knows_what_it_is(score: object) -> None:
    assert told(REQUEST, score=score)[0] == b"SPAMD/1.0 75 EX_TEMPFAIL\r\n"


def test_a_scanner_that_hangs() -> None:
    assert told(REQUEST, score=never, time_limit=0.01)[0].startswith(b"SPAMD/1.0 79 Timeout: ")


def test_a_client_that_is_silent() -> None:
    assert told(b"CHECK SPAMC/1.5\r\n", ends=False, time_limit=0.01)[0].startswith(b"SPAMD/1.0 79 Timeout: ")


def test_garbage() -> None:
    assert told(b"GET / HTTP/1.0\r\n\r\n")[0] == b"SPAMD/1.0 76 Bad header line: GET / HTTP/1.0\r\n"


def test_who_is_refused_hears_it_while_she_sends() -> None:
    assert told(b"CHECK SPAMC/1.5\r\n\r\n" + b"a" * 1900)[0] == b"SPAMD/1.0 65 message larger than 1000 octets\r\n"


def test_all_messages_together_have_so_much_room() -> None:
    assert told(b"CHECK SPAMC/1.5\r\n\r\n" + b"a" * 900, held=800)[0] == b"SPAMD/1.0 75 EX_TEMPFAIL\r\n"


def test_learning_is_not_for_clients() -> None:
    assert told(REQUEST.replace(b"SYMBOLS", b"TELL"))[0].startswith(b"SPAMD/1.0 69 Service Unavailable: TELL ")


@pytest.mark.parametrize("authorized", [nobody, unknown])
def test_strangers_hear_nothing(authorized: object) -> None:
    assert told(b"", authorized=authorized, ends=False)[0] == b""
