"""The resolver: what it makes of answers, what it keeps, and what the hosts file says."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatepost.net.dns import RECORDS_LIMIT, AresResolver
from gatepost.net.hosts_file import HostsFile
from gatepost.net.port import MX, Answer, DnsFailure, NotFound, TryAgain

pycares = pytest.importorskip("pycares")
from aiodns.error import DNSError  # noqa: E402

TXT = pycares.QUERY_TYPE_TXT
A, MX_TYPE, CNAME = pycares.QUERY_TYPE_A, pycares.QUERY_TYPE_MX, pycares.QUERY_TYPE_CNAME


def record(kind: int, ttl: int = 60, **data: Any) -> Any:
    return SimpleNamespace(type=kind, ttl=ttl, name="owner.test.", data=SimpleNamespace(**data))


class Ares:
    """In place of c-ares: answers by (name, type), and how often it was asked."""

    def __init__(self, answers: dict[tuple[str, str], Any]) -> None:
        self.answers = answers
        self.asked = 0
        self.closed = 0

    async def query_dns(self, name: str, record: str) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.get((name, record), DNSError(4, "no"))
        if answer == "silence":
            await asyncio.sleep(60)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(answer=answer)

    async def close(self) -> None:
        self.closed += 1


def resolver(answers: dict[tuple[str, str], Any], hosts: Path = Path("/nonexistent"), clock: list[float] | None = None) -> Any:
    now = clock or [0.0]
    made: Any = AresResolver(lambda: now[0], hosts=hosts, time_limit=0.02)
    made._ares = Ares(answers)
    return made


@pytest.mark.parametrize("name", ["a\0b.test", "a\\.b.test", "a\rb.test", "\x7f.test"])
def test_what_the_library_would_take_for_another_name_is_not_asked(name: str) -> None:
    """A NUL ends a name there, a backslash is an escape."""
    made = resolver({})
    with pytest.raises(NotFound):
        asyncio.run(made.a(name))
    assert made._ares.asked == 0


def test_a_large_answer_is_given_and_not_kept() -> None:
    """Else whoever sends mail would decide how much memory a worker needs."""

    async def scene() -> None:
        made = resolver({("x.test", "TXT"): [record(TXT, data=b"x" * 5000)], ("y.test", "TXT"): [record(TXT, data=b"y" * 400)]})
        for name, length, asked in (("x.test", 5000, 2), ("y.test", 400, 3)):
            for _ in range(2):
                assert [len(text) for text in await made.txt(name)] == [length]
            assert made._ares.asked == asked

    asyncio.run(scene())


def test_the_library_is_replaced_when_it_holds_much() -> None:
    """Its own cache has no bound. Questions under way are answered first."""

    async def scene() -> None:
        many = {(f"{number}.test", "TXT"): [record(TXT, data=b"x" * 60_000)] for number in range(400)}
        made = resolver(many)
        used = [made._ares]
        made._open = lambda: used.append(Ares(many)) or used[-1]
        for first in range(0, 400, 20):
            texts = await asyncio.gather(*(made.txt(f"{number}.test") for number in range(first, first + 20)))
            assert all(len(one[0]) == 60_000 for one in texts)
        assert len(used) == 2
        assert (used[0].closed, used[1].closed) == (1, 0)
        assert sum(one.asked for one in used) == 400
        await made.close()
        assert used[1].closed == 1

    asyncio.run(scene())


def test_answers_are_kept_for_their_time_to_live() -> None:
    async def scene() -> None:
        clock = [0.0]
        made = resolver({("x.test", "A"): [record(CNAME, 10, cname="y"), record(A, 60, addr="192.0.2.1")]}, clock=clock)
        assert await made.a("x.test") == ("192.0.2.1",)
        assert await made.a("X.test.") == ("192.0.2.1",)
        clock[0] = 9.0
        await made.a("x.test")
        assert made._ares.asked == 1
        clock[0] = 10.0
        await made.a("x.test")
        assert made._ares.asked == 2

    asyncio.run(scene())


def test_an_answer_tells_of_its_records() -> None:
    made = resolver({("x.test", "MX"): [record(CNAME, 10, cname="y"), record(MX_TYPE, 60, priority=7, exchange="mx.test")]})
    assert asyncio.run(made.answer("x.test", "MX")) == Answer((MX(7, "mx.test"),), "owner.test", 60, 10.0)


def test_the_same_question_is_asked_once() -> None:
    async def scene() -> None:
        made = resolver({("x.test", "MX"): [record(MX_TYPE, priority=0, exchange=".")]})
        answers = await asyncio.gather(*(made.mx("x.test") for _ in range(5)))
        assert answers == [(MX(0, ""),)] * 5
        assert made._ares.asked == 1

    asyncio.run(scene())


def test_answers_are_bounded() -> None:
    made = resolver({("x.test", "A"): [record(A, addr=str(n)) for n in range(1000)]})
    assert len(asyncio.run(made.a("x.test"))) == RECORDS_LIMIT


@pytest.mark.parametrize(
    ("answer", "failure", "exists"),
    [
        (DNSError(4, "x"), NotFound, False),
        (DNSError(1, "x"), NotFound, True),
        (DNSError(3, "SERVFAIL"), TryAgain, None),
        (DNSError(12, "time-out"), TryAgain, None),
        ("silence", TryAgain, None),
        ([record(CNAME, cname="nowhere")], NotFound, True),
    ],
)
def test_failures(answer: Any, failure: type[DnsFailure], exists: bool | None) -> None:
    with pytest.raises(failure) as raised:
        asyncio.run(resolver({("x.test", "A"): answer}).a("x.test"))
    assert getattr(raised.value, "exists", None) is exists


def test_hosts_file_comes_first(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost loop # comment\n\n192.0.2.7 Seven.test\nrubbish\n")

    async def scene() -> None:
        made = resolver({("a.test", "A"): [record(A, addr="192.0.2.1")]}, hosts)
        assert await made.ptr("127.0.0.1") == ("localhost", "loop")
        assert await made.host("seven.TEST") == ("192.0.2.7",)
        assert await made.host("a.test") == ("192.0.2.1",)
        with pytest.raises(NotFound):
            await made.host("b.test")
        with pytest.raises(NotFound):
            await made.ptr("not an address")

    asyncio.run(scene())


def test_host_that_may_have_an_address_is_not_declared_missing() -> None:
    with pytest.raises(TryAgain):
        asyncio.run(resolver({("x.test", "A"): DNSError(3, "SERVFAIL")}).host("x.test"))


def test_hosts_file_is_read_again_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    now = [0.0]
    file = HostsFile(path, lambda: now[0])
    assert file.addresses("x") == ()
    path.write_text("192.0.2.1 x\n")
    assert file.addresses("x") == ()
    now[0] = 1.5
    assert file.addresses("x") == ("192.0.2.1",)


def test_hosts_file_is_read_as_the_system_reads_it(tmp_path: Path) -> None:
    """A word that is no address stands for nothing; an address is known however it is written; only a line feed ends a line."""
    path = tmp_path / "hosts"
    path.write_bytes(b"elsewhere.test a\n1.2.3 b\n0:0::1 one\x1ctwo.test\x0bthree One.Dot.\n192.0.2.1\x00 c\n\xff d")
    file = HostsFile(path, lambda: 0.0)
    assert {name: file.addresses(name) for name in "abcd"} == dict.fromkeys("abcd", ())
    assert file.names("::1") == ("one\x1ctwo.test", "three", "One.Dot.")
    assert file.addresses("one.dot") == file.addresses("THREE.") == ("::1",)
