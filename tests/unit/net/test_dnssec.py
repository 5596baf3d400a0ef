"""Questions to a validating name server: what its replies mean, whom it hears, and that it bounds what strangers cost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from gatepost.net.dnssec import MALFORMED, DnssecResolver
from gatepost.net.port import MX, TLSA, Answer, DnsFailure, NotFound, TryAgain

Reply = Callable[[dns.message.Message], bytes]


def says(*lines: str, flags: int = dns.flags.AD, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> Reply:
    """A reply with these records: `name type data`."""

    def reply(question: dns.message.Message) -> bytes:
        made = dns.message.make_response(question)
        made.flags |= flags
        made.set_rcode(code)
        for line in lines:
            name, kind, data = line.split(" ", 2)
            made.answer.append(dns.rrset.from_text(name, 60, "IN", kind, data))
        return made.to_wire(max_size=65535)

    return reply


def with_short_data(question: dns.message.Message) -> bytes:
    """A TLSA record whose digest is cut."""
    octets = says("_25._tcp.a.test. TLSA 3 1 1 " + "00" * 32)(question)
    cut = octets.replace(b"\x00\x23\x03\x01\x01" + bytes(32), b"\x00\x04\x03\x01\x01\x00")
    assert cut != octets
    return cut


class NameServer(asyncio.DatagramProtocol):
    """Answers with what `replies` say, the last one for ever; None: not at all. `asked`: questions."""

    def __init__(self, *replies: Reply | None) -> None:
        self.replies = list(replies)
        self.asked: list[dns.message.Message] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        question = dns.message.from_wire(data)
        self.asked.append(question)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is not None:
            self.transport.sendto(b"garbage", addr)  # type: ignore[attr-defined]
            self.transport.sendto(says("evil.test. A 192.0.2.66")(dns.message.make_query("evil.test", "A")), addr)  # type: ignore[attr-defined]
            self.transport.sendto(reply(question), addr)  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def resolver(server: NameServer, now: Callable[[], float] = lambda: 0.0) -> AsyncIterator[DnssecResolver]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    yield DnssecResolver(now, nameservers=[transport.get_extra_info("sockname")])
    transport.close()


def ask(name: str, record: str, *replies: Reply | None) -> Answer:
    async def run() -> Answer:
        async with resolver(NameServer(*replies)) as asked:
            return await asked.answer(name, record)

    return asyncio.run(run())


def test_the_ad_bit_is_what_counts() -> None:
    mx = ("a.test. MX 10 mx.a.test.",)
    assert ask("a.test", "MX", says(*mx)) == Answer((MX(10, "mx.a.test"),), "a.test", 60, 60.0, secure=True)
    assert not ask("a.test", "MX", says(*mx, flags=0)).secure


def test_aliases_are_followed() -> None:
    found = ask("a.test", "A", says("a.test. CNAME b.test.", "b.test. A 192.0.2.1"))
    assert (found.owner, found.values) == ("b.test", ("192.0.2.1",))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (says(), NotFound),
        (says(code=dns.rcode.NXDOMAIN), NotFound),
        (says("a.test. CNAME b.test."), NotFound),
        (says(code=dns.rcode.SERVFAIL), TryAgain),
        (says(code=dns.rcode.REFUSED), TryAgain),
        (says("a.test. CNAME b.test.", "b.test. CNAME a.test."), TryAgain),
    ],
)
def test_what_is_no_answer(reply: Reply, kind: type[DnsFailure]) -> None:
    with pytest.raises(kind):
        ask("a.test", "TLSA", reply)


@pytest.mark.parametrize("name", ["a\\.test", "a..test", "x" * 64, ".".join("x" * 60 for _ in range(5))])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    server = NameServer(None)

    async def run() -> None:
        async with resolver(server) as asked:
            with pytest.raises(NotFound):
                await asked.answer(name, "A")

    asyncio.run(run())
    assert server.asked == []


def test_a_name_that_is_not_ascii_is_asked_for_as_everywhere() -> None:
    server = NameServer(says("xn--strae-oqa.test. A 192.0.2.1"))

    async def run() -> None:
        async with resolver(server) as asked:
            await asked.answer("stra\u00dfe.test", "A")

    asyncio.run(run())
    assert str(server.asked[0].question[0].name) == "xn--strae-oqa.test."


def test_a_record_that_cannot_be_read_is_there_all_the_same() -> None:
    assert ask("_25._tcp.a.test", "TLSA", with_short_data).values == (MALFORMED,)


def test_the_next_try_may_do() -> None:
    good = TLSA(3, 1, 1, bytes(32))
    found = ask("a.test", "TLSA", says(code=dns.rcode.SERVFAIL), says(f"a.test. TLSA {good}"))
    assert found.values == (good,)


def test_an_answer_is_kept_for_its_time_to_live() -> None:
    server, clock = NameServer(says("a.test. A 192.0.2.1")), [0.0]

    async def run() -> None:
        async with resolver(server, lambda: clock[0]) as asked:
            for clock[0] in (0.0, 59.0, 61.0):
                await asked.answer("A.test", "A")

    asyncio.run(run())
    assert len(server.asked) == 2


def test_a_large_answer_is_not_kept() -> None:
    server = NameServer(says("a.test. TLSA 3 1 0 " + "00" * 5000))

    async def run() -> None:
        async with resolver(server) as asked:
            for _ in range(2):
                await asked.answer("a.test", "TLSA")

    asyncio.run(run())
    assert len(server.asked) == 2
