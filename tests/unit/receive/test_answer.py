"""What verbs answer, and what the loop of a session makes of an answer."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import structs
from tests.support.drive import drive
from tests.support.settings import default
from tests.unit.receive.dialogue import Client, Stage_, stage

from gatepost.events.records import Judged
from gatepost.mail.outcome import Class, Outcome
from gatepost.policy.port import PERMIT, Facts, Stage, Verdict
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.commands import LMTP, SMTP, ServerDialect
from gatepost.proto.smtp.replies import ServerReply
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive import verbs
from gatepost.receive.answer import Answer, Tally, refused, rejected
from gatepost.receive.port import Lookups
from gatepost.receive.session_state import SessionState
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.transaction import END, Begin, MailTransaction, Sender, recipient

_NO = Outcome(Class.PERMANENT, "5.7.1", "no", 554)


def state(refuses: Stage | None = None, **parameters: Any) -> SessionState:
    """A session in which nobody has said anything. `refuses`: the stage at which policy says no."""

    class OfStage:
        async def check(self, stage: Stage, facts: Facts) -> Verdict:
            return Verdict(_NO) if stage is refuses else PERMIT

    ports = stage(policy=OfStage()).service.ports
    return SessionState(ports, default(SmtpdSettings, **parameters), cast(Any, None))


def answer(to: SessionState, line: str) -> Answer:
    verb, _, argument = line.partition(" ")
    return drive(verbs.HANDLERS[SMTP.verbs[verb].handler](to, CommandLine(verb, argument, line)))


# --- verbs ---


def test_mail_answers_with_the_transaction_that_begins() -> None:
    seen = state()
    said = answer(seen, "MAIL FROM:<a@example.com> SIZE=10")
    assert seen.transaction is None  # whoever says the answer has yet to do what it says
    assert (said.reply, said.tally, said.trouble) == (say.SENDER_OK, Tally.SUCCESS, "")
    assert isinstance(said.effect, Begin)
    assert said.effect.transaction.sender == Sender("a@example.com", size=10)


@pytest.mark.parametrize(
    ("at", "line", "effect"),
    [(Stage.SENDER, "MAIL FROM:<a@example.com>", END), (Stage.ETRN, "ETRN example.test", None)],
)
def test_policy_says_no_with_its_whole_outcome(at: Stage, line: str, effect: object) -> None:
    assert answer(state(at), line) == rejected(_NO, cast(Any, effect))


def test_a_refused_name_is_in_the_log_and_nowhere_else() -> None:
    seen = state(Stage.HELO)
    seen.facts.helo_name = "before"
    said = answer(seen, "EHLO x")
    assert said == structs.replace(rejected(_NO), rejects=False, log=said.log)
    (rejection,) = said.log
    assert isinstance(rejection, Judged)
    assert rejection.context.endswith("helo=<x>")
    assert seen.facts.helo_name == "before"


def test_a_refused_recipient_is_none_of_the_message() -> None:
    seen = state(Stage.RECIPIENT)
    seen.apply(Begin(MailTransaction(Sender("a@example.com"))))
    assert answer(seen, "RCPT TO:<b@example.test>") == rejected(_NO)
    assert seen.transaction is not None
    assert not seen.transaction.recipients


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RCPT TO:<b@example.test>", say.NEED_MAIL),
        ("DATA", say.NEED_RCPT),
        ("RSET x", say.RSET_SYNTAX),
        ("MAIL FROM:<a@example.com> FOO", say.unsupported_option("FOO")),
        ("MAIL FROM:<a@example.com> XVERP", say.unsupported_option("XVERP")),
        ("MAIL FROM:<a@example.com> RET=FULL RET=FULL", say.BAD_RET),
        ("XCLIENT NAME=x", say.NOT_AUTHORIZED),
        ("STARTTLS", say.NOT_IMPLEMENTED),
    ],
)
def test_what_the_protocol_does_not_allow_is_an_error_of_that_class(line: str, reply: ServerReply) -> None:
    assert answer(state(), line) == refused(reply)


def test_who_submitted_a_refused_message_is_forgotten() -> None:
    seen = state()
    answer(seen, "MAIL FROM:<a@example.com> AUTH=root@example.com FOO")
    assert seen.facts.sasl_sender == ""


@pytest.mark.parametrize(("dialect", "code"), [(SMTP, 554), (LMTP, 503)])
def test_no_valid_recipients_is_a_value_of_the_dialect(dialect: ServerDialect, code: int) -> None:
    seen = SessionState(stage(dialect=dialect).service.ports, default(SmtpdSettings), cast(Any, None))
    seen.apply(Begin(MailTransaction(Sender("a@example.com"))))
    assert answer(seen, "DATA") == refused(say.no_valid_recipients(code))


# --- the loop ---


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Have NOOP answer so."""

    def noop(answers: Answer) -> None:
        async def handler(state: SessionState, command: CommandLine) -> Answer:
            return answers

        monkeypatch.setitem(verbs.HANDLERS, "noop", handler)

    return noop


def talk(scene: Stage_, *lines: bytes) -> list[str]:
    async def conversation() -> list[str]:
        client = Client(scene.service)
        await client.settle()
        said = [reply for line in lines for reply in await client.say(line + b"\r\n")]
        await client.close()
        return said

    return asyncio.run(conversation())


def counts(scene: Stage_) -> str:
    return scene.log[-1].partition("] ")[2]


@pytest.mark.parametrize(
    ("tally", "counted"),
    [(Tally.SUCCESS, "noop=1"), (Tally.ERROR, "noop=0/1"), (Tally.NEITHER, "noop=0/1"), (Tally.MESSAGE, "noop=1")],
)
def test_the_loop_counts(says: Callable[[Answer], None], tally: Tally, counted: str) -> None:
    says(Answer(say.OK, tally))
    scene = stage()
    talk(scene, b"NOOP")
    assert counts(scene).startswith(counted + " ")


def test_only_the_last_part_of_an_answer_counts(says: Callable[[Answer], None]) -> None:
    async def rest() -> Answer:
        return Answer(ServerReply(550, "5.0.0", "no"), Tally.ERROR)

    says(Answer(ServerReply(354, "", "go on"), then=rest))
    scene = stage()
    assert talk(scene, b"NOOP") == ["354 go on", "550 5.0.0 no"]
    assert counts(scene).startswith("noop=0/1 ")


@pytest.mark.parametrize(("code", "soft", "ends"), [(521, False, True), (521, True, True), (421, False, True), (550, False, False)])
def test_the_code_ends_a_session_and_no_text(says: Callable[[Answer], None], code: int, soft: bool, ends: bool) -> None:
    says(Answer(ServerReply(code, "", "421 521"), Tally.ERROR))
    said = talk(stage({"soft_bounce": soft}), b"NOOP", b"NOOP")
    assert len(said) == (1 if ends else 2)


def test_a_rejection_is_logged_as_decided_and_said_softly(says: Callable[[Answer], None]) -> None:
    says(rejected(_NO))
    scene = stage({"soft_bounce": True, "smtpd_reject_footer": "ask us"})
    assert talk(scene, b"NOOP") == ["454-4.7.1 no", "454 4.7.1 ask us"]
    assert any(": reject: NOOP from client2.client.test[127.0.0.2]: 554 5.7.1 no; proto=SMTP" in line for line in scene.log)


@pytest.mark.parametrize(
    ("dialect", "lines"),
    [(SMTP, ["250 2.0.0 Ok"]), (LMTP, ["250 2.1.5 for a", "550-5.1.1 not for b", "550 5.1.1 ask us"])],
)
def test_recipients_may_have_replies_of_their_own(says: Callable[[Answer], None], dialect: ServerDialect, lines: list[str]) -> None:
    """RFC 2033 §4.2; in SMTP there is one reply for all."""
    each = (ServerReply(250, "2.1.5", "for a"), ServerReply(550, "5.1.1", "not for b"))
    says(Answer(say.OK, ends_message=True, each=each))
    assert talk(stage({"smtpd_reject_footer": "ask us"}, dialect=dialect), b"NOOP") == lines


def test_a_secret_is_asked_for_and_told_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    told: list[str] = []

    async def check(line: CommandLine) -> Answer:
        heard.append(line.line)
        return Answer(ServerReply(535, "5.7.8", "no"), Tally.ERROR, "policy")

    async def handler(state: SessionState, command: CommandLine) -> Answer:
        return Answer(ServerReply(334, "", "UGFzc3dvcmQ6"), asks=check)

    monkeypatch.setitem(verbs.HANDLERS, "auth", handler)
    scene = stage({"notify_classes": "policy"}, Lookups(report=lambda subject, text: told.append(text)))
    assert talk(scene, b"auth  LOGIN dXNlcg==", b"c2VjcmV0") == ["334 UGFzc3dvcmQ6", "535 5.7.8 no"]
    assert heard == ["c2VjcmV0"]
    (text,) = told
    assert " In:  auth LOGIN ********\n Out: 334 UGFzc3dvcmQ6\n In:  ********\n Out: 535 5.7.8 no\n" in text
    assert "dXNlcg" not in text + "".join(scene.log)


def test_a_client_that_was_refused_when_it_came_has_made_an_error() -> None:
    class Closed:
        async def check(self, stage: Stage, facts: Facts) -> Verdict:
            return Verdict(_NO) if stage is Stage.CLIENT else PERMIT

    said = talk(stage({"smtpd_hard_error_limit": 2}, policy=Closed()), b"NOOP", b"NOOP")
    assert [line[:3] for line in said] == ["503", "421"]


def test_a_verdict_may_end_the_session_whatever_its_code() -> None:
    class Dismissing:
        async def check(self, stage: Stage, facts: Facts) -> Verdict:
            return Verdict(_NO, disconnect=True) if stage is Stage.SENDER else PERMIT

    said = talk(stage(policy=Dismissing()), b"HELO x", b"MAIL FROM:<a@example.com>", b"NOOP")
    assert said[1:] == ["554 5.7.1 no"]


def test_an_original_recipient_is_remembered_with_its_recipient() -> None:
    seen = state()
    seen.apply(Begin(MailTransaction(Sender("a@example.com"))))
    said = answer(seen, "RCPT TO:<b@example.test> NOTIFY=NEVER ORCPT=rfc822;c@example.test")
    assert said.effect is not None
    seen.apply(said.effect)
    assert seen.transaction is not None
    assert seen.transaction.recipients == [recipient("b@example.test", "rfc822;c@example.test", 1)]
