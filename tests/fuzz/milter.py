"""What mail filters say: a packet, an answer, an edit or what they agree on, however it comes."""

from io import BytesIO
from typing import cast

from gatepost.admission.draft import Draft, EditImpossible
from gatepost.admission.milter import verdicts
from gatepost.admission.milter.editing import Editing, NewBody
from gatepost.admission.port import Origin
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.mail.reason import UNSAID
from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.milter.answers import Answer, Verdict
from gatepost.proto.milter.conversation import Conversation, Edits
from gatepost.proto.milter.negotiation import OFFERS, Negotiation, Options
from gatepost.proto.smtp.replies import reply_of, wire
from tests.fuzz.pieces import octets, same
from tests.support.drive import drive
from tests.unit.admission.drafts import Aliases, Octets

HEAD = b"Received: here\r\nSubject: one\r\nX-A: 1\r\n"


def _said(exchange: Exchange[object], packets: list[bytes]) -> object:
    """The answer, what is wrong with it, or nothing yet."""
    try:
        for packet in packets:
            if exchange.done:
                break
            exchange.feed(packet)
    except ProtocolError as error:
        return str(error)
    return exchange.answer if exchange.done else None


def answers(data: bytes) -> None:
    """The answer to a command is the same however it comes, and one that refuses is fit for a client and a log."""
    answer = same(data, lambda packets: _said(cast(Exchange[object], Conversation(OFFERS[6]).end_of_message()), packets))
    if isinstance(answer, Answer) and answer.verdict is Verdict.REPLY:
        outcome = verdicts.refused(answer, UNSAID).outcome
        assert outcome is not None
        assert 400 <= outcome.code < 600
        assert not set("\r\n\0") & set(octets(outcome.text.replace("\n", "")))
        sent = wire(reply_of(outcome))
        assert sent.count(b"\r\n") == sent.count(b"\r") == sent.count(b"\n")


def options(data: bytes) -> None:
    """What is agreed on is what we know, and little."""
    for version, offer in OFFERS.items():
        agreed = same(data, lambda packets, offer=offer: _said(cast(Exchange[object], Negotiation(offer)), packets))
        if isinstance(agreed, Options):
            assert 0 < agreed.version <= version
            assert sum(map(len, agreed.macros.values())) <= 8192
            for names in agreed.macros.values():
                assert all(octets(name) for name in names)


def edits(data: bytes) -> None:
    """Whatever a filter wants changed, the message is one afterwards: its headers are lines that end, its body is in wire form,
    its addresses have no line ends; or it is as it was."""
    ours, body = Aliases(Recipient("b@example.net", "b@example.net")), NewBody(100_000, BytesIO)
    ask = Conversation(OFFERS[6]).end_of_message(edits=Edits(body.take))
    answer = _said(cast(Exchange[object], ask), [data])
    if not isinstance(answer, Answer):
        return
    envelope = Envelope("a@example.com", tuple(ours.final))
    draft = Draft(cast(QueueId, None), Origin("smtpd"), envelope, ours, Octets(b"body\r\n"), head=[HEAD])
    try:
        drive(draft.edit(Editing(own=True, verbatim=False, warn=octets).edits(answer.edits, body)))
    except EditImpossible:
        assert draft.head == HEAD
        assert b"".join(draft.body()) == b"body\r\n"
    text = draft.head + b"".join(draft.body())
    assert text.count(b"\r\n") == text.count(b"\r") == text.count(b"\n")
    assert not draft.head or draft.head.endswith(b"\r\n")
    assert b"\0" not in draft.head
    assert b"\r\n\r\n" not in draft.head
    for address in (draft.sender, *(one.address for one in ours.final)):
        assert not set("\r\n\0") & set(octets(address))
