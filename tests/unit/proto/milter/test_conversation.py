"""A session with a filter: what goes over, what is answered, and what an answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.milter import commands
from gatepost.proto.milter.answers import (
    Addition,
    Answer,
    BodyPiece,
    Change,
    Insertion,
    NewRecipient,
    NewSender,
    NoRecipient,
    Quarantine,
    Verdict,
)
from gatepost.proto.milter.conversation import Ask, Conversation, Tell
from gatepost.proto.milter.negotiation import Action, MacroStage, Options, Step
from gatepost.proto.milter.packets import Reader, packet

ALL = Action(0x1FF)


def conversation(steps: Step = Step(0), version: int = 6, **macros: tuple[str, ...]) -> Conversation:
    return Conversation(Options(version, ALL, steps, {MacroStage[name]: names for name, names in macros.items()}))


def said(exchange: Ask | Tell | None) -> list[tuple[int, bytes]]:
    assert exchange is not None
    return Reader().feed(b"".join(exchange.question()))


def answered(exchange: Ask | None, *packets: bytes) -> Answer:
    assert exchange is not None
    exchange.feed(b"".join(packets))
    assert exchange.done
    return exchange.answer


def test_a_command_goes_over_behind_its_macros() -> None:
    ask = conversation().step(commands.HELO, commands.helo("client.example"), {"j": "mx.example", "{cipher}": "x"})
    assert said(ask) == [(ord("D"), b"Hj\0mx.example\0{cipher}\0x\0"), (ord("H"), b"client.example\0")]


@pytest.mark.parametrize(
    ("family", "port", "address", "data"),
    [
        ("4", 25, "192.0.2.1", b"mx.example\0" + b"4" + b"\x00\x19" + b"192.0.2.1\0"),
        ("6", 50000, "2001:db8::1", b"mx.example\0" + b"6" + b"\xc3\x50" + b"2001:db8::1\0"),
        ("L", 0, "/run/socket", b"mx.example\0" + b"L" + b"\0\0" + b"/run/socket\0"),
        ("U", 0, "", b"mx.example\0" + b"U"),
    ],
)
def test_a_client_is_told_by_its_family(family: str, port: int, address: str, data: bytes) -> None:
    assert commands.connect("mx.example", family, port, address) == packet(ord("C"), data)


UNWANTED = {
    commands.CONNECT: Step.NO_CONNECT,
    commands.HELO: Step.NO_HELO,
    commands.MAIL: Step.NO_MAIL,
    commands.RCPT: Step.NO_RCPT,
    commands.DATA: Step.NO_DATA,
    commands.UNKNOWN: Step.NO_UNKNOWN,
    commands.HEADER: Step.NO_HEADERS,
    commands.END_OF_HEADERS: Step.NO_END_OF_HEADERS,
    commands.BODY: Step.NO_BODY,
}
SILENT = {
    commands.CONNECT: Step.SILENT_CONNECT,
    commands.HELO: Step.SILENT_HELO,
    commands.MAIL: Step.SILENT_MAIL,
    commands.RCPT: Step.SILENT_RCPT,
    commands.DATA: Step.SILENT_DATA,
    commands.UNKNOWN: Step.SILENT_UNKNOWN,
    commands.HEADER: Step.SILENT_HEADER,
    commands.END_OF_HEADERS: Step.SILENT_END_OF_HEADERS,
    commands.BODY: Step.SILENT_BODY,
}


@pytest.mark.parametrize("command", UNWANTED, ids=chr)
def test_a_step_that_is_not_wanted_is_not_told(command: int) -> None:
    """Its macros are, as filters ask for them later."""
    talk = conversation(UNWANTED[command])
    assert talk.step(command, packet(command), {"i": "x"}) is None
    assert said(talk.end_of_message()) == [(ord("D"), bytes((command,)) + b"i\0x\0"), (ord("E"), b"")]


@pytest.mark.parametrize("command", SILENT, ids=chr)
def test_a_step_without_an_answer_goes_over_with_the_next_question(command: int) -> None:
    talk = conversation(SILENT[command])
    assert talk.step(command, packet(command, b"x")) is None
    assert said(talk.end_of_message()) == [(command, b"x"), (ord("E"), b"")]


@pytest.mark.parametrize(("command", "version"), [(commands.DATA, 3), (commands.UNKNOWN, 2)])
def test_an_older_filter_is_not_told_of_what_it_does_not_know(command: int, version: int) -> None:
    assert conversation(version=version).step(command, packet(command)) is None
    assert conversation(version=version + 1).step(command, packet(command)) is not None


def test_macros_are_those_that_the_filter_has_chosen() -> None:
    talk = conversation(RCPT=("{rcpt_addr}",))
    assert talk.macro_names(commands.RCPT, ("i",)) == ("{rcpt_addr}",)
    assert talk.macro_names(commands.MAIL, ("i",)) == ("i",)


@pytest.mark.parametrize(
    ("steps", "value"), [(Step(0), b"one\n two"), (Step.LEADING_SPACE, b" one\n two")], ids=["without blanks", "with blanks"]
)
def test_a_header_goes_over_with_line_feeds(steps: Step, value: bytes) -> None:
    assert said(conversation(steps).header(b"Subject: one\r\n two\r\n")) == [(ord("L"), b"Subject\0" + value + b"\0")]


@given(chunks=st.lists(st.binary(max_size=200), max_size=5), factor=st.sampled_from([1, 500]))
def test_a_body_goes_over_in_full_packets(chunks: list[bytes], factor: int) -> None:
    body = [chunk * factor for chunk in chunks]
    packets = Reader().feed(b"".join(commands.body(body)))
    assert b"".join(data for _, data in packets) == b"".join(body)
    assert all(len(data) == commands.CHUNK for _, data in packets[:-1])
    assert all(letter == commands.BODY and data for letter, data in packets)


@pytest.mark.parametrize(
    ("letter", "verdict"),
    [
        ("c", Verdict.CONTINUE), ("a", Verdict.ACCEPT), ("r", Verdict.REJECT), ("t", Verdict.TEMPFAIL), ("d", Verdict.DISCARD),
        ("s", Verdict.SKIP), ("4", Verdict.SHUTDOWN), ("f", Verdict.CONNECTION_FAILED),
    ],
)  # fmt: skip
def test_verdicts(letter: str, verdict: Verdict) -> None:
    ask = conversation().step(commands.HELO, commands.helo("x"))
    assert answered(ask, packet(ord("p")), packet(ord(letter))) == Answer(verdict)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"550 5.7.1 No\0", ("550 5.7.1 No",)),
        (b"451-4.7.1 One\r\n451 4.7.1 Two\r\n\0", ("451-4.7.1 One", "451 4.7.1 Two")),
        (b"421\0", ("421",)),
        (b"550 5.7.1\0", ("550 5.7.1",)),
        (b"550 4.7 volts\0", ("550 4.7 volts",)),
    ],
)
def test_a_reply_is_lines(text: bytes, lines: tuple[str, ...]) -> None:
    ask = conversation().step(commands.RCPT, commands.rcpt(["<a@b>"]))
    assert answered(ask, packet(ord("y"), text)) == Answer(Verdict.REPLY, lines)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0",
        b"250 Fine\0",
        b"550 a\rb\0",
        b"550-a\r\n450 b\0",
        b"5501 x\0",
        b"550 4.7.1 mixed\0",
        b"450-4.7.1 one\r\n450 5.7.1 two\0",
        b"550 x",
        pytest.param(b"550 x\r\n" * 20000 + b"\0", id="endless"),
    ],
)
def test_a_reply_that_is_no_refusal_is_an_error(text: bytes) -> None:
    ask = conversation().step(commands.RCPT, commands.rcpt(["<a@b>"]))
    assert ask is not None
    with pytest.raises(ProtocolError):
        ask.feed(packet(ord("y"), text))


EDITS = [
    (packet(ord("h"), b"X-A\0b\0"), Addition(b"X-A", b"b")),
    (packet(ord("i"), b"\0\0\0\1X-A\0 b\n c\0"), Insertion(1, b"X-A", b" b\n c")),
    (packet(ord("m"), b"\0\0\0\2Subject\0\0"), Change(2, b"Subject", b"")),
    (packet(ord("b"), b"a\0b"), BodyPiece(b"a\0b")),
    (packet(ord("e"), b"<a@b>\0"), NewSender(b"<a@b>")),
    (packet(ord("e"), b"<a@b>\0SIZE=1\0"), NewSender(b"<a@b>", b"SIZE=1")),
    (packet(ord("+"), b"<a@b>\0"), NewRecipient(b"<a@b>")),
    (packet(ord("2"), b"<a@b>\0NOTIFY=NEVER\0"), NewRecipient(b"<a@b>", b"NOTIFY=NEVER")),
    (packet(ord("-"), b"<a@b>\0"), NoRecipient(b"<a@b>")),
    (packet(ord("q"), b"why\0"), Quarantine(b"why")),
]


def test_edits_come_in_order_before_the_verdict() -> None:
    ask = conversation().end_of_message({"i": "ID"})
    assert said(ask) == [(ord("D"), b"Ei\0ID\0"), (ord("E"), b"")]
    octets = b"".join(one for one, _ in EDITS) + packet(ord("c"))
    assert answered(ask, octets) == Answer(Verdict.CONTINUE, edits=tuple(edit for _, edit in EDITS))


@pytest.mark.parametrize("octets", [one for one, _ in EDITS])
def test_an_edit_before_the_end_of_the_message_is_an_error(octets: bytes) -> None:
    ask = conversation().step(commands.MAIL, commands.mail(["<a@b>"]))
    assert ask is not None
    with pytest.raises(ProtocolError, match="before the end of the message"):
        ask.feed(octets)


@given(octets=st.binary(max_size=200))
def test_garbage_is_an_answer_or_an_error(octets: bytes) -> None:
    ask = conversation().end_of_message()
    try:
        ask.feed(octets)
    except ProtocolError:
        return
    assert not ask.done or isinstance(ask.answer, Answer)


@pytest.mark.parametrize("rest", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", packet(ord("r"))])
def test_an_answer_counts_whatever_is_behind_it(rest: bytes) -> None:
    """However the network cuts it; nothing more is asked over that connection."""
    ask = conversation().step(commands.HELO, commands.helo("x"))
    assert answered(ask, packet(ord("r")), rest) == Answer(Verdict.REJECT)
    assert ask is not None
    assert not ask.reusable


def test_what_is_told_is_done_when_it_is_sent() -> None:
    talk = conversation(Step.SILENT_BODY)
    talk.step(commands.BODY, packet(commands.BODY, b"x"))
    tell = talk.tell()
    assert said(tell) == [(commands.BODY, b"x")]
    assert tell.done
    with pytest.raises(ProtocolError):
        tell.feed(packet(ord("c")))


def test_giving_a_message_up_forgets_what_was_not_told() -> None:
    talk = conversation(Step.SILENT_BODY)
    talk.step(commands.BODY, packet(commands.BODY, bytes(70000)))
    assert talk.held
    assert talk.abort() == packet(ord("A"))
    assert said(talk.tell()) == []
