"""The policy server: what it answers, in which order, and what it does with clients that talk nonsense or do not leave."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.fake_dns import FakeDns
from tests.support.settings import default

from gatepost.events.records import Note
from gatepost.identity.spf.check import Checker, Lists
from gatepost.identity.spf.settings import SpfSettings
from gatepost.lookup.registry import Tables
from gatepost.proto.policy_delegation import Reader, encode
from gatepost.receive.session_limit import Part, SessionLimit
from gatepost.service import policy_server
from gatepost.service.policy_server import TRY_AGAIN, PolicyServer, Request
from gatepost.service.spf import SpfDesk

REQUEST = {"request": "smtpd_access_policy", "instance": "1"}


class Echo:
    """Answers with the sender; `slow` waits for its release, `fault` raises."""

    def __init__(self, released: asyncio.Event) -> None:
        self._released = released

    async def answer(self, request: Request) -> str:
        sender = request["sender"]
        if sender == "slow":
            await self._released.wait()
        if sender == "fault":
            raise RuntimeError("unexpected")
        return f"WARN {sender}"


class World:
    """A server, and connections to it."""

    def __init__(self, limit: int = 10) -> None:
        self.notes: list[str] = []
        self.faults: list[BaseException] = []
        self.released = asyncio.Event()
        self.limit = SessionLimit(limit)
        self.server = PolicyServer(
            "spf", lambda: Echo(self.released), emit=self._emit, fault=lambda fault, _: self.faults.append(fault), limit=self.limit
        )

    def _emit(self, event: Any) -> None:
        assert isinstance(event, Note)
        self.notes.append(event.text)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def __aenter__(self) -> "World":
        self._listening = await asyncio.get_running_loop().create_server(self.server.protocol, "127.0.0.1", 0)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        self.released.set()
        await self.server.drain(10)
        await self.server.idle()
        assert self.limit._open == 0


def talk(play: Callable[[World], Awaitable[None]], limit: int = 10) -> None:
    async def whole() -> None:
        async with asyncio.timeout(30), World(limit) as world:
            await play(world)

    asyncio.run(whole())


async def answers(reader: asyncio.StreamReader, count: int) -> list[str]:
    found: list[str] = []
    incoming = Reader()
    while len(found) < count:
        octets = await reader.read(65536)
        assert octets, "it hung up"
        found += [one["action"] for one in incoming.feed(octets)]
    return found


def asked(sender: str) -> bytes:
    return encode({**REQUEST, "sender": sender})


def test_requests_are_answered_in_their_order() -> None:
    async def play(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(asked("a") + asked("slow") + asked("b")[:20])
        assert await answers(reader, 1) == ["WARN a"]
        world.released.set()
        writer.write(asked("b")[20:] + asked("c"))
        assert await answers(reader, 3) == ["WARN slow", "WARN b", "WARN c"]
        writer.close()

    talk(play)


def test_a_fault_of_ours_is_a_temporary_answer() -> None:
    async def play(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(asked("fault") + asked("a"))
        assert await answers(reader, 2) == [TRY_AGAIN, "WARN a"]
        assert [type(fault) for fault in world.faults] == [RuntimeError]

    talk(play)


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.1\r\nHost: x\n\n", b"\n\n", b"request=other\n\n", b"x" * 200_000, b"\0" * 70_000]
)
def test_nonsense_ends_the_connection(octets: bytes) -> None:
    async def play(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(octets)
        assert await reader.read() == b""
        assert len(world.notes) == 1
        assert world.notes[0].startswith("no policy request: ")
        reader, writer = await world.connect()
        writer.write(asked("a"))
        assert await answers(reader, 1) == ["WARN a"]

    talk(play)


def test_no_room() -> None:
    async def play(world: World) -> None:
        first, writer = await world.connect()
        writer.write(asked("a"))
        assert await answers(first, 1) == ["WARN a"]
        second, _ = await world.connect()
        assert await second.read() == b""
        assert "refused" in world.notes[0]

    talk(play, limit=1)


@pytest.mark.parametrize("more", [b"", b"nonsense\n\n"])
def test_answers_that_nobody_takes_keep_no_connection(monkeypatch: pytest.MonkeyPatch, more: bytes) -> None:
    """The client takes none, and says goodbye or nonsense: its connection counts while it is open, which is not for ever."""
    monkeypatch.setattr(policy_server, "_TURN", 0.2)

    async def play(world: World) -> None:
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.setblocking(False)
        loop = asyncio.get_running_loop()
        transport: asyncio.Future[asyncio.WriteTransport] = loop.create_future()
        serve = world.server._serve

        async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # So little room in the system that answers stay with us, and so few that nobody waits for them to be taken.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            transport.set_result(writer.transport)
            await serve(reader, writer)

        monkeypatch.setattr(world.server, "_serve", watched)
        await loop.sock_connect(wire, ("127.0.0.1", world.port))
        await loop.sock_sendall(wire, asked("x" * 20_000) * 2 + more)
        if not more:
            wire.shutdown(socket.SHUT_WR)
        await transport
        await world.server.idle()
        assert world.limit._open == 0
        assert transport.result().get_write_buffer_size() == 0
        wire.close()

    talk(play)


def test_a_part_of_the_room_leaves_the_rest_to_others() -> None:
    whole = SessionLimit(10)
    few, most = Part(2, whole), Part(1000, whole)
    few.begin()
    few.begin()
    assert (few.free, most.free, whole.free) == (False, True, True)
    for _ in range(5):
        most.begin()
    assert (most.free, whole.free) == (False, True)  # half at most, whatever it is allowed
    few.end()
    assert few.free
    for _ in range(4):
        whole.begin()
    assert (few.free, whole.free) == (False, False)


def test_at_the_end_idle_connections_go_and_answers_are_given() -> None:
    async def play(world: World) -> None:
        idle, _ = await world.connect()
        busy, writer = await world.connect()
        writer.write(asked("a") + asked("slow"))
        assert await answers(busy, 1) == ["WARN a"]
        ending = asyncio.ensure_future(world.server.drain(10))
        assert await idle.read() == b""
        world.released.set()
        assert await answers(busy, 1) == ["WARN slow"]
        assert await busy.read() == b""
        await ending

    talk(play)


ZONE = "pass.test TXT v=spf1 +all\nfail.test TXT v=spf1 -all\nslow.test SERVFAIL\n"


def desk(**parameters: Any) -> tuple[SpfDesk, FakeDns]:
    view, dns = default(SpfSettings, **parameters), FakeDns(ZONE)
    lists = Lists.opened(view, Tables(lambda text: None))
    return SpfDesk(Checker(view, lists, lambda client: dns, lambda: 0.0), lambda event: None), dns


def ask(one: SpfDesk, sender: str, instance: str = "1", **more: str) -> str:
    request = {
        "client_address": "192.0.2.1",
        "client_name": "unknown",
        "helo_name": "x.test",
        "sender": sender,
        "instance": instance,
    }
    return asyncio.run(one.answer({**request, **more}))


def test_actions() -> None:
    one, _ = desk(spf_temperror_action="defer_if_permit", spf_pass_action="permit_spf", spf_permerror_action="defer")
    assert ask(one, "a@none.test", "1").startswith("PREPEND Received-SPF: None ")
    assert ask(one, "a@fail.test", "2") == "550 5.7.23 Message rejected due to: SPF fail - not authorized"
    assert ask(one, "a@slow.test", "3").startswith("DEFER_IF_PERMIT 4.7.24 Message deferred due to: SPF temporary error: ")
    assert ask(one, "a@pass.test", "4") == "permit_spf"
    assert ask(one, "a@pass.test", "5", client_address="127.0.0.1").startswith("PREPEND X-Comment: ")
    assert ask(one, "", "6", helo_name="") == "DUNNO"


def test_other_recipients_of_a_message_get_the_same_without_a_header_and_without_a_question() -> None:
    one, dns = desk()
    for sender, first, others in (("a@pass.test", "PREPEND ", "DUNNO"), ("a@fail.test", "550 5.7.23 ", "550 5.7.23 ")):
        assert ask(one, sender, sender).startswith(first)
        questions = len(dns.asked)
        for _ in range(3):
            assert ask(one, sender, sender).startswith(others)
        assert len(dns.asked) == questions
    assert ask(one, "a@pass.test", "another").startswith("PREPEND ")


def test_without_an_instance_nothing_is_remembered() -> None:
    one, _ = desk()
    assert ask(one, "a@pass.test", "").startswith("PREPEND ")
    assert ask(one, "a@pass.test", "").startswith("PREPEND ")


def test_what_is_remembered_is_bounded() -> None:
    one, _ = desk()
    for number in range(300):
        ask(one, "a@none.test", str(number))
    assert len(one._answered) == 64


def test_a_list_that_does_not_answer_puts_the_message_off() -> None:
    one, _ = desk(spf_whitelist="fail:1")
    assert ask(one, "a@pass.test") == TRY_AGAIN


def test_a_request_that_drips_in_has_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each octet is no new beginning: else one who says nothing would hold its place for good."""
    monkeypatch.setattr(policy_server, "_REQUEST_LIMIT", 0.2)

    async def play(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(encode({**REQUEST, "sender": "a"}))  # the time of one that is whole does not count
        assert await answers(reader, 1) == ["WARN a"]
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            writer.write(b"x")
            await asyncio.wait([ended], timeout=0.02)
        assert ended.exception() is not None or ended.result() == b""
        await world.server.idle()

    talk(play)
