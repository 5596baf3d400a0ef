"""When reports are sent, to whom, and by which of the workers."""

import asyncio
import gzip
import json
import ssl
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from tests.support import certificate as certificates
from tests.support.fake_dns import FakeDns

from gatepost.net.connect import SocketConnector
from gatepost.net.https import trusting
from gatepost.net.stream_client import Network
from gatepost.state.local_store import LocalStateStore
from gatepost.tlsrpt import post as posting
from gatepost.tlsrpt import reporter as reporters
from gatepost.tlsrpt.counts import DAY, DAYS, DayCounts, Sessions, key_of, stored
from gatepost.tlsrpt.outcome import NO_POLICY
from gatepost.tlsrpt.post import post
from gatepost.tlsrpt.report import Report, Submitter, make
from gatepost.tlsrpt.reporter import NotSent, Reporter, ask_for

SUBMITTER = Submitter("X", "x@x.test", "tlsrpt@x.test")
TODAY = 20_000
HOUR = 3600.0
ZONE = """
_smtp._tls.both.test TXT v=TLSRPTv1;rua=mailto:r@both.test,https://r.both.test/v1
_smtp._tls.mail.test TXT v=TLSRPTv1;rua=mailto:r@mail.test
_smtp._tls.later.test SERVFAIL
silent.test A 192.0.2.1
"""
DOMAINS = ("both.test", "mail.test", "later.test", "silent.test")


class Scene:
    """A state with the counts of days, and what is sent; the clock goes as the test says."""

    def __init__(self, zone: str = ZONE, *, domains: tuple[str, ...] = DOMAINS, refusing: tuple[str, ...] = ()) -> None:
        self.now = TODAY * DAY + 330.0
        self.store = LocalStateStore(lambda: self.now)
        self.sent: list[tuple[str, str]] = []
        self.reports: list[Report] = []
        self.warned: list[str] = []
        self.refusing = set(refusing)
        self.domains = domains
        self.dns = FakeDns(zone)

    async def count(self, day: int) -> None:
        for name in self.domains:
            value = stored(DayCounts(name, (Sessions(NO_POLICY, 1),)), day)
            await self.store.put(DAYS, key_of(day, name), value.value, value.expires)

    def worker(self, chance: float = 0.5) -> Reporter:
        return Reporter(
            self.store,
            self.dns,
            SUBMITTER,
            by_mail=self._send,
            by_https=self._send,
            clock=lambda: self.now,
            chance=lambda: chance,
            tell=lambda text: None,
            warn=self.warned.append,
            fault=lambda error, text: self.warned.append(f"{text}: {error}"),
        )

    async def _send(self, report: Report, to: str) -> None:
        await asyncio.sleep(0)
        if to == "broken@mail.test":
            raise ZeroDivisionError
        if to in self.refusing:
            raise NotSent("it is not there")
        self.sent.append((report.domain, to))
        self.reports.append(report)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 10))  # type: ignore[arg-type]


ALL = [("both.test", "https://r.both.test/v1"), ("both.test", "r@both.test"), ("mail.test", "r@mail.test")]


def test_the_day_before_is_reported_once_by_one_worker() -> None:
    async def scene() -> None:
        stage = Scene()
        await stage.count(TODAY - 1)
        await stage.count(TODAY)
        workers = [stage.worker(), stage.worker(0.6)]
        for hour in range(24):
            stage.now = TODAY * DAY + 331.0 + hour * HOUR
            await asyncio.gather(*(worker.look() for worker in workers))
            if hour < 2:
                assert not stage.sent
        assert sorted(stage.sent) == ALL
        assert {report.begin for report in stage.reports} == {(TODAY - 1) * DAY}
        stage.now = (TODAY + 1) * DAY + 4 * HOUR + 301
        await asyncio.gather(*(worker.look() for worker in workers))
        assert sorted(stage.sent) == sorted(ALL * 2)
        assert {report.begin for report in stage.reports[3:]} == {TODAY * DAY}

    play(scene)


def test_a_worker_that_starts_in_the_day_sends_what_is_left() -> None:
    async def scene() -> None:
        stage = Scene()
        await stage.count(TODAY - 1)
        stage.now = TODAY * DAY + 10 * HOUR
        worker = stage.worker()
        await worker.look()
        assert not stage.sent
        stage.now += 600
        await worker.look()
        assert sorted(stage.sent) == ALL

    play(scene)


def test_what_is_not_taken_is_tried_again_for_a_day_and_the_rest_is_not() -> None:
    async def scene() -> None:
        stage = Scene(refusing=("https://r.both.test/v1",))
        await stage.count(TODAY - 1)
        worker = stage.worker(0.0)
        await worker.look()
        assert sorted(stage.sent) == ALL[1:]
        assert any("https://r.both.test/v1: it is not there" in text for text in stage.warned)
        assert any("later.test" in text for text in stage.warned)
        stage.refusing.clear()
        stage.dns = FakeDns(
            ZONE.replace("_smtp._tls.later.test SERVFAIL", "_smtp._tls.later.test TXT v=TLSRPTv1;rua=mailto:l@l.test")
        )
        late = stage.worker(0.0)
        stage.now += HOUR + 1
        await late.look()
        assert sorted(stage.sent) == sorted([*ALL, ("later.test", "l@l.test")])

    play(scene)


def test_a_fault_of_ours_costs_one_report() -> None:
    async def scene() -> None:
        stage = Scene(ZONE.replace("r@mail.test", "broken@mail.test"))
        await stage.count(TODAY - 1)
        await stage.worker(0.0).look()
        assert sorted(stage.sent) == ALL[:2]
        assert any(text.startswith("no TLS report for mail.test: ") for text in stage.warned)

    play(scene)


def test_somebody_asks() -> None:
    """For a day that is not over; its report is sent when it is, all the same."""

    async def scene() -> None:
        stage = Scene()
        await stage.count(TODAY)
        stage.now = TODAY * DAY + 10 * HOUR
        workers = [stage.worker(0.5), stage.worker(0.5)]
        await ask_for(stage.store, TODAY)
        await asyncio.gather(*(worker.look() for worker in workers))
        assert sorted(stage.sent) == ALL
        assert {report.end for report in stage.reports} == {int(stage.now)}
        await workers[0].look()
        assert len(stage.sent) == 3
        stage.now = (TODAY + 1) * DAY + 2 * HOUR + 301
        await workers[0].look()
        assert sorted(stage.sent) == sorted(ALL * 2)

    play(scene)


def test_one_address_gets_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns ten thousand domains may point them all at somebody else."""
    monkeypatch.setattr(reporters, "_MOST_TO_ONE", 5)

    async def scene() -> None:
        domains = tuple(f"d{n}.evil.test" for n in range(50))
        zone = "\n".join(f"_smtp._tls.{name} TXT v=TLSRPTv1;rua=mailto:victim@good.test" for name in domains)
        stage = Scene(zone, domains=domains)
        await stage.count(TODAY - 1)
        worker = stage.worker(0.0)
        for _ in range(24):
            await worker.look()
            stage.now += HOUR
        assert len(stage.sent) == 5
        assert sum("there will be no more" in text for text in stage.warned) == 1

    play(scene)


REPORT = make(DayCounts("a.test", (Sessions(NO_POLICY, 3),)), TODAY, SUBMITTER, (TODAY + 1) * DAY)


def test_the_authorities_are_read_once_for_all_reports_of_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []

    def read() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    async def scene() -> None:
        network = Network(SocketConnector(), FakeDns(""), asyncio.get_running_loop().time, asyncio.sleep, lambda: 0.0)
        for report in (REPORT, REPORT, replace(REPORT, begin=REPORT.begin + DAY)):
            with pytest.raises(NotSent):
                await post(report, "https://r.a.test/v1", network=network)

    posting._authorities.cache_clear()
    monkeypatch.setattr(posting, "trusting", read)
    play(scene)
    posting._authorities.cache_clear()
    assert len(made) == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), "r.a.test")


def posted(certificate: certificates.Certificate, answer: bytes, name: str = "r.a.test", *, public_only: bool = False) -> bytes:
    """What a web server got."""
    got: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split()[1])
        got.append(head + await reader.readexactly(length))
        writer.write(answer)
        writer.close()

    async def scene() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.chain, certificate.key)
        resolver = FakeDns("r.a.test A 127.0.0.1\nother.test A 127.0.0.1")
        network = Network(SocketConnector(), resolver, asyncio.get_running_loop().time, asyncio.sleep, lambda: 0.0)
        async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls) as server:
            url = f"https://{name}:{server.sockets[0].getsockname()[1]}/v1?x"
            await post(REPORT, url, network=network, public_only=public_only, context=trusting(str(certificate.authority)))

    play(scene)
    return got[0]


def test_a_web_server_gets_it(certificate: certificates.Certificate) -> None:
    head, _, body = posted(certificate, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1?x HTTP/1.1\r\n")
    assert b"content-type: application/tlsrpt+gzip" in head.lower()
    assert json.loads(gzip.decompress(body)) == REPORT.body


@pytest.mark.parametrize(
    ("answer", "name", "public_only", "why"),
    [
        (b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", "r.a.test", False, "500"),
        (b"HTTP/1.1 307 no\r\nLocation: https://evil.test/\r\nContent-Length: 0\r\n\r\n", "r.a.test", False, "307"),
        (b"what\r\n\r\n", "r.a.test", False, "r.a.test"),
        (b"", "r.a.test", False, "r.a.test"),
        (b"", "other.test", False, "ertificate"),  # whoever points a name of his at somebody else's server
        (b"", "r.a.test", True, "no public address"),
    ],
)
def test_a_web_server_that_does_not_take_it(
    answer: bytes, name: str, public_only: bool, why: str, certificate: certificates.Certificate
) -> None:
    with pytest.raises(NotSent, match=why):
        posted(certificate, answer, name, public_only=public_only)


def test_the_default_is_public_servers() -> None:
    assert post.__kwdefaults__["public_only"] is True
    assert replace(REPORT, domain="b.test").file_name.startswith("x.test!b.test!")
