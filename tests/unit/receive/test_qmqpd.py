"""QMQP clients: what they are told, what is logged, what of their mail is taken in."""

import asyncio
from typing import Any, cast

import pytest
from tests.support.fake_dns import FakeDns
from tests.support.settings import default
from tests.unit.receive.dialogue import FakeIntake

from gatepost.admission.port import Admitted
from gatepost.events import maillog
from gatepost.lookup.port import LookupFailure
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.receive.qmqpd import QmqpdSettings, QmqpPorts, QmqpSession, with_verp

ZONE = "2.0.0.127.in-addr.arpa PTR c.test\nc.test A 127.0.0.2\n"
MESSAGE = b"Subject: x\n\nhi\n"


def netstring(octets: bytes) -> bytes:
    return b"%d:%b," % (len(octets), octets)


def packet(message: bytes, *addresses: bytes) -> bytes:
    return netstring(netstring(message) + b"".join(map(netstring, addresses)))


class Intake(FakeIntake):
    """Says `said` of the message, or raises it."""

    def __init__(self, queue_id: QueueId, said: Outcome | Exception | None) -> None:
        super().__init__(queue_id)
        self.said = said
        self.envelope: Envelope | None = None

    async def admit(self, envelope: Envelope, *, dropped: bool) -> Admitted:
        self.envelope = envelope
        if isinstance(self.said, Exception):
            raise self.said
        return Admitted(self.said)


class Writer:
    """The client's end of the line: what it hears, and when it has gone."""

    def __init__(self, *, gone: bool = False) -> None:
        self.out = b""
        self._gone = gone

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.2", 40000) if name == "peername" else None

    def write(self, octets: bytes) -> None:
        self.out += octets

    async def drain(self) -> None:
        if self._gone:
            raise ConnectionResetError


class Scene:
    """One client that sends octets and then nothing more."""

    def __init__(self, said: Outcome | Exception | None = None, authorized: bool | Exception = True, **settings: Any) -> None:
        self.settings = default(QmqpdSettings, myhostname="mx.test", **settings)
        self.log: list[str] = []
        self.pauses: list[float] = []
        self.faults: list[BaseException] = []
        self.intakes: list[Intake] = []
        self._said = said
        self._authorized = authorized

    def open(self, queue_id: QueueId, **_: Any) -> Intake:
        self.intakes.append(Intake(queue_id, self._said))
        return self.intakes[-1]

    async def _is_authorized(self, name: str, address: str) -> bool:
        assert (name, address) == ("c.test", "127.0.0.2")
        if isinstance(self._authorized, Exception):
            raise self._authorized
        return self._authorized

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def _emit(self, event: Any) -> None:
        self.log.append(maillog.words(event).replace(str(QueueId(1, 1)), "ID"))

    async def hears(self, octets: bytes, *, gone: bool = False, ends: bool = True) -> bytes:
        reader, writer = asyncio.StreamReader(), Writer(gone=gone)
        reader.feed_data(octets)
        if ends:
            reader.feed_eof()
        ports = QmqpPorts(
            authorized=self._is_authorized, admission=cast(Any, self), new_id=lambda: QueueId(1, 1), resolver=FakeDns(ZONE),
            emit=self._emit, clock=lambda: 0.0, pause=self._pause, fault=lambda fault, _: self.faults.append(fault),
        )  # fmt: skip
        await QmqpSession(self.settings, ports, reader, cast(Any, writer)).run()
        return writer.out.replace(str(QueueId(1, 1)).encode(), b"ID")


def hears(scene: Scene, octets: bytes, **how: bool) -> bytes:
    return asyncio.run(scene.hears(octets, **how))


def test_a_message() -> None:
    scene = Scene(content_filter="smtp:[f.test]")
    said = hears(scene, packet(b"Subject: x\n\n.\n..hi", b"a@b.test", b"x@y.test", b"z"))
    assert said.endswith(b":KOk: queued as ID,")
    (intake,) = scene.intakes
    lines = intake.data.split(b"\r\n")
    assert lines[0] == b"Received: from c.test (c.test [127.0.0.2])"
    assert lines[1].startswith(b"\tby mx.test (Postfix) with QMQP id ")
    assert lines[3:] == [b"Subject: x", b"", b".", b"..hi", b""]
    assert intake.envelope is not None
    assert (intake.envelope.sender, intake.envelope.content_filter) == ("a@b.test", "smtp:[f.test]")
    assert [(r.address, r.original, r.orcpt) for r in intake.envelope.recipients] == [
        ("x@y.test", "x@y.test", "rfc822;x@y.test"),
        ("z", "z", "rfc822;z"),
    ]
    told = dict(intake.envelope.attributes)
    assert (told["rewrite_context"], told["log_protocol_name"], told["client_name"]) == ("local", "QMQP", "c.test")
    assert scene.pauses == [] and not intake.aborted


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (b"From x y\nSubject: x\n", b"X-Mailbox-Line: From x y\r\nSubject: x\r\n"),
        (b">From x y\n", b"X-Mailbox-Line: >From x y\r\n"),
        (b" x\n" + b"y" * 1000, b"\r\n x\r\n" + b"y" * 1000 + b"\r\n"),
        (b"", b""),
        (b"a\r\nb\n", b"a\r\r\nb\r\n"),  # cleanup makes a blank of a lone CR
    ],
)
@pytest.mark.parametrize("limit", [0, 5000])
def test_the_first_and_the_last_line(message: bytes, lines: bytes, limit: int) -> None:
    scene = Scene(message_size_limit=limit)
    hears(scene, packet(message, b"", b"x@y.test"))
    assert scene.intakes[0].data.partition(b"\r\n\t")[2].partition(b";")[2].partition(b"\r\n\t")[2].partition(b"\r\n")[2] == lines


CLIENT = "c.test[127.0.0.2]"
NOW = b"Error: server configuration error"
REFUSALS: dict[str, tuple[Scene, bytes, bytes, list[str]]] = {
    "a stranger": (Scene(authorized=False), packet(MESSAGE, b"a", b"b"), b"DError: %b is not authorized to use this service", []),
    "a list that cannot be asked": (Scene(authorized=LookupFailure("t:x", "no")), b"", b"Z" + NOW, []),
    "no recipients": (
        Scene(), packet(MESSAGE, b"a"), b"DError: no recipients specified",
        ["warning: ID: {}: Error: no recipients specified"],
    ),
    "no QMQP": (
        Scene(), b"HELO x\r\n", b"Dnetstring format error while receiving QMQP packet header",
        ["ID: {}: netstring format error while receiving QMQP packet header"],
    ),
    "a message that is too large": (
        Scene(message_size_limit=10), packet(MESSAGE, b"a", b"b"),
        b"Dnetstring length exceeds storage limit while receiving message content",
        ["ID: {}: netstring length exceeds storage limit while receiving message content"],
    ),
    "an address with a line end": (
        Scene(), packet(MESSAGE, b"a", b"b\nc"), b"DError: malformed address", ["warning: ID: {}: Error: malformed address"],
    ),
    "a sender with a NUL": (
        Scene(), packet(MESSAGE, b"a\0", b"b"), b"DError: malformed address", ["warning: ID: {}: Error: malformed address"],
    ),
    "cleanup refuses": (
        Scene(Outcome(Class.PERMANENT, "5.7.1", "no way")), packet(MESSAGE, b"a", b"b"), b"DError: 5.7.1 no way",
        ["warning: ID: {}: Error: 5.7.1 no way"],
    ),
    "cleanup cannot now": (
        Scene(Outcome(Class.TEMPORARY, "4.3.0", "Error: queue file write error")), packet(MESSAGE, b"a", b"b"),
        b"ZError: 4.3.0 queue file write error", ["warning: ID: {}: Error: 4.3.0 queue file write error"],
    ),
    "the queue is full": (
        Scene(QueueUnavailable("disk full")), packet(MESSAGE, b"a", b"b"), b"ZError: queue file write error",
        ["warning: ID: {}: queue file write error: disk full"],
    ),
    "a fault of ours": (Scene(ZeroDivisionError("x")), packet(MESSAGE, b"a", b"b"), b"ZError: internal error", []),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str) -> None:
    scene, octets, told, logged = REFUSALS[name]
    told = told.replace(b"%b", CLIENT.encode())
    assert hears(scene, octets) == netstring(told)
    begun = [f"ID: client={CLIENT}"] if scene.intakes else []
    assert [line.replace("NOQUEUE", "ID") for line in scene.log] == [
        f"connect from {CLIENT}", *begun, *(line.format(CLIENT) for line in logged), f"disconnect from {CLIENT}",
    ]  # fmt: skip
    assert scene.pauses == ([1.0] if "fault" not in name else [])
    assert bool(scene.faults) == ("fault" in name)
    assert all(intake.aborted or intake.envelope for intake in scene.intakes)


@pytest.mark.parametrize("sent", [b"", b"3", packet(MESSAGE, b"a", b"b")[:-9]])
def test_a_client_that_goes_away_or_is_silent_has_handed_in_nothing(sent: bytes) -> None:
    for ends, what in ((True, "lost connection"), (False, "read/write timeout")):
        scene = Scene(qmqpd_timeout="1s")
        scene.settings = type(scene.settings)(**{**_fields(scene.settings), "qmqpd_timeout": 0.001})
        assert hears(scene, sent, ends=ends) == b""
        assert f": {CLIENT}: {what} while receiving " in scene.log[-2]
        assert scene.intakes[0].aborted and scene.pauses == []


def _fields(settings: QmqpdSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def test_a_client_that_does_not_wait_for_its_answer_has_handed_in_its_message() -> None:
    scene = Scene()
    hears(scene, packet(MESSAGE, b"a", b"b"), gone=True)
    assert scene.intakes[0].envelope is not None
    assert scene.log[-1] == f"disconnect from {CLIENT}" and not scene.faults


@pytest.mark.parametrize(
    ("sender", "found"),
    [
        ("a-@b.c-@[]", ("a@b.c", "-=")),
        ("a+@b.c-@[]", ("a@b.c", "+=")),
        ("a/@b.c-@[]", ("a/@b.c-@[]", "")),
        ("-@b.c-@[]", ("-@b.c-@[]", "")),
        ("@b.c-@[]", ("@b.c-@[]", "")),
        ("-@[]", ("-@[]", "")),
        ("a-@b.c", ("a-@b.c", "")),
        ("", ("", "")),
    ],
)
def test_verp_by_the_form_of_the_sender(sender: str, found: tuple[str, str]) -> None:
    assert with_verp(sender, "-=+") == found
