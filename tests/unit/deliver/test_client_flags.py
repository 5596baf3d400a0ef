"""`flags=DORX` of smtp(8) and lmtp(8): what is put on top, what has been there before, and what a success notice says."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.drive import drive

from gatepost.deliver.client_flags import FlaggedAgent, client_flags
from gatepost.events.records import Event, Note
from gatepost.mail.content import Content, FileContent, MemoryContent, prepended
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient

BODY = b"Subject: x\r\nDelivered-To: Been@There.test\r\n\r\nhello\r\n"


class Next:
    """An agent that takes everything, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[DeliveryRequest] = []

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        self.seen.append(request)
        return [Report(queued, sent("250 ok"), "mx[192.0.2.1]:25", relayed=True) for queued in request.recipients]

    async def close(self) -> None:
        pass


class Bench:
    """An agent with `flags`, and what became of a message."""

    def __init__(self, flags: str) -> None:
        self.next = Next()
        self.events: list[Event] = []
        self._agent = FlaggedAgent(self.next, client_flags((f"flags={flags}",)), "lmtp", lambda: 1000.0, self.events.append)

    def deliver(self, *recipients: str, content: Content | None = None, sender: str = "s@z.test") -> list[Report]:
        queued = tuple(QueuedRecipient(n, Recipient(address, f"for-{address}")) for n, address in enumerate(recipients))
        message = ActiveMessage(QueueId(1, 1), Envelope(sender), content or MemoryContent(BODY), len(BODY), queued)
        return list(drive(self._agent.deliver(DeliveryRequest(message, queued, "lmtp", "inet:mx"))))

    @property
    def content(self) -> bytes:
        return self.next.seen[0].message.content.read()


@pytest.mark.parametrize(
    ("flags", "head"),
    [
        ("X", b""),
        ("R", b"Return-Path: <s@z.test>\r\n"),
        ("O", b"X-Original-To: for-to@y.test\r\n"),
        ("D", b"Delivered-To: to@y.test\r\n"),
        ("DORz", b"Return-Path: <s@z.test>\r\nX-Original-To: for-to@y.test\r\nDelivered-To: to@y.test\r\n"),
    ],
)
def test_what_is_put_on_top(flags: str, head: bytes) -> None:
    bench = Bench(flags)
    bench.deliver("to@y.test")
    assert bench.content == head + BODY


def test_a_returned_message_has_an_empty_path() -> None:
    bench = Bench("R")
    bench.deliver("to@y.test", sender="")
    assert bench.content.startswith(b"Return-Path: <>\r\n")


def test_what_has_been_there_before_is_returned() -> None:
    bench = Bench("D")
    (report,) = bench.deliver("BEEN@there.test")
    assert (report.outcome.enhanced, report.outcome.text) == ("5.4.6", "mail forwarding loop for BEEN@there.test")
    assert bench.next.seen == []
    other = Bench("OR")
    other.deliver("been@there.test")
    assert len(other.next.seen) == 1


@pytest.mark.parametrize("flag", "DO")
def test_headers_that_name_a_recipient_are_for_one(flag: str) -> None:
    bench = Bench(flag)
    reports = bench.deliver("a@y.test", "b@y.test")
    assert [report.outcome.enhanced for report in reports] == ["4.3.5", "4.3.5"]
    notes = [event.text for event in bench.events if isinstance(event, Note)]
    assert notes == [f"flag `{flag}' requires lmtp_destination_recipient_limit = 1"]
    assert bench.next.seen == []


@pytest.mark.parametrize(("flags", "relayed"), [("R", True), ("RX", False)])
def test_whether_delivery_is_final(flags: str, relayed: bool) -> None:
    assert [report.relayed for report in Bench(flags).deliver("a@y.test", "b@y.test")] == [relayed] * 2


def test_on_top_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(b"envelope" + BODY)
    content = prepended(b"A: 1\r\n", prepended(b"B: 2\r\n", FileContent(path, len(BODY), 8)))
    assert content.read() == b"A: 1\r\nB: 2\r\n" + BODY
    assert content.size == len(content.read())
    bench = Bench("D")
    assert bench.deliver("been@there.test", content=content)[0].outcome.enhanced == "5.4.6"
