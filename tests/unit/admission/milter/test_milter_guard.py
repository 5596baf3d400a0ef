"""One filter of a session, over a connection in memory: what it is told when something goes wrong, and what it costs."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import pytest
from tests.support.drive import drive
from tests.support.settings import default
from tests.unit.admission.drafts import Aliases, Octets

from gatepost.admission.draft import Draft
from gatepost.admission.milter.gate import Milter, MilterGuard
from gatepost.admission.milter.macros import Macros
from gatepost.admission.milter.settings import MilterSettings, named_milters
from gatepost.admission.port import Finding, Origin, ProtocolStage, Severity, View
from gatepost.lookup.port import LookupFailure
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.net.stream_port import StreamFailure, TimeLimits, Trouble
from gatepost.policy.port import Facts
from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.milter.packets import Reader, packet
from gatepost.routing.port import AddressClass, Route

P = ProtocolStage
T = TypeVar("T")
CONTINUE = packet(ord("c"))


class Filter:
    """The other end: says `answers`, by letter of the step, else that it goes on. `told`: the letters of what it was told;
    `begun`, `ended`: sessions."""

    def __init__(self, steps: int = 0, **answers: bytes) -> None:
        self.steps, self.answers = steps, answers
        self.told = ""
        self.begun = self.ended = self.sent = 0

    async def begin(self, owner: str) -> "Filter":
        self.begun += 1
        return self

    def tell(self, octets: bytes) -> None:
        self._hear(octets)

    def end(self) -> None:
        self.ended += 1

    def _hear(self, octets: bytes) -> str:
        letters = "".join(chr(letter) for letter, _ in Reader().feed(octets))
        self.told += letters.replace("D", "")
        self.sent += 1
        return letters

    async def ask(self, exchange: Exchange[T], limits: TimeLimits) -> T:
        letter = self._hear(b"".join(exchange.question()))[-1]
        if not exchange.done:
            options = packet(ord("O"), b"\0\0\0\6\0\0\1\xff" + self.steps.to_bytes(4, "big"))
            try:
                exchange.feed(options if letter == "O" else self.answers.get(letter, CONTINUE))
            except ProtocolError as error:
                raise StreamFailure(Trouble.GARBAGE, str(error)) from None
        if not exchange.done:
            raise StreamFailure(Trouble.CLOSED)
        return exchange.answer


class Talk:
    """A session with one filter. `warned`: the log; `unroutable`: addresses for which routing has no answer, or raises."""

    def __init__(self, one: Filter) -> None:
        settings = default(MilterSettings)
        self.warned: list[str] = []
        self.unroutable: dict[str, Exception] = {}
        named = named_milters("inet:127.0.0.1:1", settings)[0]
        milter = Milter(named, cast(Any, one), Macros(settings, self._resolve), None, 1000, self.warned.append)
        self.guard = MilterGuard(milter)
        self.view = View(Facts())
        self.view.facts.client_address, self.view.facts.helo_name = "192.0.2.1", "client.example"

    async def _resolve(self, address: str, sender: str) -> Route:
        if address in self.unroutable:
            raise self.unroutable[address]
        return Route("smtp", "example.net", address, AddressClass.DEFAULT)

    def says(self, stage: ProtocolStage, *words: str) -> Finding:
        facts = self.view.facts
        facts.sender = "a@example.com" if stage is not P.CONNECT else None
        facts.recipient = words[0][1:-1] if stage is P.RCPT else None
        self.view.words = words
        return drive(self.guard.look(stage, self.view))

    def message(self, head: Sequence[bytes], body: bytes = b"body\r\n") -> Finding:
        recipient = Recipient("b@example.net", "b@example.net")
        envelope = Envelope("a@example.com", (recipient,))
        draft = Draft(cast(QueueId, None), Origin("smtpd"), envelope, Aliases(recipient), Octets(body), head=head)
        self.view.draft = draft
        return self.says(P.END_OF_MESSAGE)


def test_a_recipient_that_cannot_be_routed_leaves_the_filter_where_it_is() -> None:
    """A table that does not answer is no fault of the filter's: it is told the next recipient in the same message."""
    one = Filter()
    talk = Talk(one)
    talk.unroutable["b@example.net"] = LookupFailure("table", "away")
    talk.says(P.CONNECT)
    talk.says(P.MAIL, "<a@example.com>")
    with pytest.raises(LookupFailure):
        talk.says(P.RCPT, "<b@example.net>")
    assert talk.says(P.RCPT, "<c@example.net>").outcome is None
    assert (one.told, one.begun) == ("OCMR", 1)


def test_a_fault_of_ours_is_the_end_of_the_message_for_the_filter() -> None:
    """It is not told the rest without the beginning: its default action holds until the next message."""
    one = Filter()
    talk = Talk(one)
    talk.unroutable["b@example.net"] = ZeroDivisionError("on purpose")
    talk.says(P.CONNECT)
    talk.says(P.MAIL, "<a@example.com>")
    with pytest.raises(ZeroDivisionError):
        talk.says(P.RCPT, "<b@example.net>")
    assert talk.says(P.RCPT, "<c@example.net>").severity is Severity.DEFER
    assert (one.told, one.begun, one.ended) == ("OCMR"[:3], 1, 1)
    talk.guard.reset()
    assert talk.says(P.MAIL, "<a@example.com>").outcome is None
    assert (one.told, one.begun) == ("OCMOCHM", 2)


@pytest.mark.parametrize("step", "CHMRTLNBE")
@pytest.mark.parametrize("answer", [b"", packet(ord("?")), b"\xff\xff\xff\xffc", packet(ord("y"), b"250 ok\0")])
def test_whatever_goes_wrong_the_connection_is_given_back_once(step: str, answer: bytes) -> None:
    one = Filter(**{step: answer})
    talk = Talk(one)
    talk.says(P.CONNECT)
    talk.says(P.HELO, "client.example")
    talk.says(P.MAIL, "<a@example.com>")
    talk.says(P.RCPT, "<b@example.net>")
    talk.says(P.DATA)
    assert talk.message([b"X-A: 1\r\n"]).severity is Severity.DEFER
    talk.guard.reset()
    talk.guard.close()
    talk.guard.close()
    assert one.begun == one.ended == 1
    assert len(talk.warned) == 1


def test_a_session_that_breaks_off_at_any_step_gives_its_connection_back() -> None:
    for steps in range(5):
        one = Filter()
        talk = Talk(one)
        for stage in (P.CONNECT, P.HELO, P.MAIL, P.RCPT, P.DATA)[: steps + 1]:
            talk.says(stage, "<b@example.net>")
        talk.guard.reset()
        talk.guard.close()
        assert one.begun == one.ended == 1
        assert one.told.endswith("AQ" if steps > 1 else "Q")
        talk.says(P.CONNECT)
        assert one.begun == 2, "nothing of the former session is left"


_SILENT = 0x80 | 0x8000


def test_headers_that_are_not_answered_go_over_in_few_packets() -> None:
    one = Filter(_SILENT)
    assert Talk(one).message([b"a:\r\n"] * 20_000).outcome is None
    assert one.told.count("L") == 20_000
    assert one.sent < 30


@pytest.mark.parametrize("text", ["CN=a\0b", "a\r\nb", "\x1b[2J", "\ud800"])
def test_what_a_certificate_says_is_shown_to_filters_without_control_characters(text: str) -> None:
    """It is the client's word; a NUL would end the macro, and begin another one."""
    facts = Facts()
    facts.ccert_subject = facts.ccert_issuer = text
    facts.ccert_trusted = True
    values = drive(Macros(default(MilterSettings), _nowhere).values(("{cert_subject}", "cert_issuer"), View(facts)))
    assert set(values) == {"{cert_subject}", "cert_issuer"}
    assert all(value.isprintable() and len(value) == len(text) for value in values.values())


async def _nowhere(address: str, sender: str) -> Route:
    raise AssertionError
