"""Gates in a real session: at every stage, with what they keep for a session and a message, and in mail that comes by none."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from tests.support import driven_loop
from tests.unit.admission.guards import Answer, Scripted, forever
from tests.unit.receive.dialogue import Client, stage
from tests.unit.receive.test_cleanup import QUEUE_ID, Run

from gatepost.admission.edits import AddHeader
from gatepost.admission.non_smtp import facts_of
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, Severity, View
from gatepost.events.records import Judged
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.evidence import Scope
from gatepost.mail.outcome import Class, Outcome
from gatepost.policy.port import Action
from gatepost.receive.port import Lookups

P = ProtocolStage
HELLO, MAIL, RCPT = (
    b"EHLO client.test\r\n",
    b"MAIL FROM:<a@client.test> SIZE=9\r\n",
    b"RCPT TO:<alice@example.test> NOTIFY=NEVER\r\n",
)
CONTENT = b"DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
TALK = HELLO + MAIL + RCPT + CONTENT + b"QUIT\r\n"
SPAM = Outcome(Class.PERMANENT, "5.7.1", "Spam is not wanted", 550)
LATER = Outcome(Class.TEMPORARY, "4.7.1", "Come again", 459)


class Talk:
    """A conversation with a service that has `gates`. `said`: the replies; `stored`: what came into the queue."""

    def __init__(self, directory: Path, *gates: Scripted, data: bytes = TALK, **parameters: Any) -> None:
        run = Run(directory, *gates)
        scene = stage(parameters, admission=run.cleanup, gates=gates, **({"lookups": _trusting()} if b"XCLIENT" in data else {}))

        async def talk() -> list[str]:
            client = Client(scene.service)
            said = await client.settle()
            await asyncio.sleep(31)  # a guard at CONNECT may be slow
            said += await client.settle() + await client.say(data)
            await asyncio.sleep(100)  # and at some others
            said += await client.settle()
            await client.close()
            return said

        self.said = driven_loop.run(talk())
        self.stored = run.stored
        self.events = [*scene.events, *run.events]
        self.log = [re.sub(r"[0-9B-Zb-z]{12,}: ", "QID: ", line) for line in (*scene.log, *run.log)]

    @property
    def code(self) -> str:
        """What the client got instead of what it hoped for, `` where nothing."""
        return next((line[:3] for line in self.said if line[:1] in "45"), "")


def _trusting() -> Lookups:
    async def yes(name: str, address: str) -> bool:
        return True

    return Lookups(xclient_hosts=yes)


def test_a_guard_hears_the_whole_session(tmp_path: Path) -> None:
    gate = Scripted()
    data = HELLO + MAIL + b"RSET\r\nFOO bar\r\nVRFY alice@example.test\r\n" + TALK
    assert len(Talk(tmp_path, gate, data=data).stored) == 1
    again = [
        "HELO client.test", "reset", "MAIL <a@client.test> SIZE=9", "RCPT <alice@example.test> NOTIFY=NEVER", "DATA", "END-OF-DATA",
        "END-OF-HEADERS", "END-OF-MESSAGE", "reset",
    ]  # fmt: skip
    assert gate.sessions == [
        ["CONNECT", "HELO client.test", "reset", "MAIL <a@client.test> SIZE=9", "reset", "UNKNOWN FOO bar",
         "VRFY alice@example.test", *again, "reset", "close"]
    ]  # fmt: skip


def test_each_session_has_a_guard_of_its_own(tmp_path: Path) -> None:
    gate = Scripted(stages=[P.MAIL])
    for _ in range(2):
        Talk(tmp_path, gate)
    assert [session[0] for session in gate.sessions] == ["MAIL <a@client.test> SIZE=9"] * 2
    gate.sessions.clear()
    Talk(tmp_path, gate, data=HELLO + MAIL + b"RSET\r\nXCLIENT NAME=other.test ADDR=192.0.2.9\r\n" + HELLO + MAIL)
    assert [session[-1] for session in gate.sessions] == ["close"] * 2  # another client, another guard


STAGES = [stage for stage in P if stage not in (P.ETRN, P.STARTTLS, P.AUTH, P.REFUSED_RCPT)]


@pytest.mark.parametrize("at", STAGES)
@pytest.mark.parametrize(("outcome", "severity"), [(SPAM, Severity.REFUSE), (LATER, Severity.DEFER)])
def test_what_a_guard_says_is_what_the_client_hears(
    tmp_path: Path, at: ProtocolStage, outcome: Outcome, severity: Severity
) -> None:
    gate = Scripted("g", {at: Finding("g", severity, outcome)})
    extra = {P.UNKNOWN: b"FOO\r\n", P.VRFY: b"VRFY alice@example.test\r\n"}.get(at, b"")
    talk = Talk(tmp_path, gate, data=HELLO + extra + TALK, smtpd_helo_required="yes")
    assert f"{outcome.code} {outcome.enhanced} {outcome.text}" in talk.said
    assert len(talk.stored) == (at in (P.UNKNOWN, P.VRFY))
    assert any(outcome.text in line and "reject" in line for line in talk.log)


@pytest.mark.parametrize("at", STAGES)
@pytest.mark.parametrize("how", [ZeroDivisionError("bug"), TimeoutError(), forever])
@pytest.mark.parametrize(
    ("action", "code", "stored"),
    [
        (FailureAction.TEMPFAIL, "451", False),
        (FailureAction.REJECT, "550", False),
        (FailureAction.ACCEPT, "", True),
        (FailureAction.HOLD, "", True),
        (FailureAction.QUARANTINE, "", True),
    ],
)
def test_a_guard_that_fails_has_its_failure_action_at_every_stage(
    tmp_path: Path, at: ProtocolStage, how: Answer, action: FailureAction, code: str, stored: bool
) -> None:
    gate = Scripted("g", {at: how}, time_limit=30.0, on_failure=action)
    extra = {P.UNKNOWN: b"FOO\r\n", P.VRFY: b"VRFY alice@example.test\r\n"}.get(at, b"")
    talk = Talk(tmp_path, gate, data=HELLO + extra + TALK, smtpd_helo_required="yes")
    assert talk.code == (code or ("500" if at is P.UNKNOWN else ""))  # it is no command, whoever fails
    assert len(talk.stored) == (stored or at in (P.UNKNOWN, P.VRFY))


@pytest.mark.parametrize("at", [P.HELO, P.MAIL, P.RCPT, P.DATA, P.END_OF_DATA, P.END_OF_HEADERS, P.END_OF_MESSAGE])
def test_a_message_is_held_or_thrown_away(tmp_path: Path, at: ProtocolStage) -> None:
    if at is not P.HELO:  # a hold before there is a message holds none
        held = Talk(tmp_path, Scripted("g", {at: Finding("g", Severity.QUARANTINE, reason="odd")})).stored
        assert [message.envelope.hold for message in held] == [True]
        gone = Talk(tmp_path, Scripted("g", {at: Finding("g", Severity.DISCARD, reason="bad")}))
        assert (gone.stored, gone.code) == ([], "")
        assert any("discard" in line for line in gone.log)


def test_a_guard_ends_the_session(tmp_path: Path) -> None:
    gate = Scripted("g", {P.MAIL: Finding("g", Severity.REFUSE, SPAM, disconnect=True)})
    assert Talk(tmp_path, gate).said[-1] == "550 5.7.1 Spam is not wanted"
    gate = Scripted("g", {P.HELO: Finding("g", Severity.DEFER, Outcome(Class.TEMPORARY, "4.7.0", "Bye", 421))})
    assert Talk(tmp_path, gate).said[-1] == "421 4.7.0 Bye"


# --- what is found out, and headers ---


class Found(Struct, frozen=True):
    """What a first gate finds out."""

    where: str


async def find_out(stage: ProtocolStage, view: View) -> Finding:
    scope = Scope.SESSION if stage in (P.CONNECT, P.HELO) else Scope.MESSAGE
    view.facts.evidence.add(Found(stage.value), scope)
    return NOTHING_FOUND


def test_later_gates_know_what_earlier_ones_found_out(tmp_path: Path) -> None:
    known: list[tuple[Found, ...]] = []

    async def look(stage: ProtocolStage, view: View) -> Finding:
        assert view.draft is not None
        known.append(view.draft.origin.facts.evidence.all(Found))
        value = ", ".join(found.where for found in known[-1]).encode()
        return Finding("late", edits=(AddHeader(b"X-Found", value),))

    finder = Scripted("finder", find_out, stages=[P.CONNECT, P.RCPT])
    late = Scripted("late", look, stages=[P.END_OF_MESSAGE])
    talk = Talk(tmp_path, finder, late, data=HELLO + MAIL + RCPT + b"RSET\r\n" + MAIL + RCPT + RCPT + CONTENT + MAIL)
    assert known == [(Found("CONNECT"), Found("RCPT"))]
    assert b"X-Found: CONNECT, RCPT\r\n" in talk.stored[0].content.read()


@pytest.mark.parametrize("by_session", [True, False])
@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("Received-SPF: pass\n (a) b", b"Received-SPF: pass\r\n (a) b\r\n"),
        ("X-Greylist: a\r\n\r\nbody\rX-B: c\0", b"X-Greylist: a\r\n\tbody\r\n\tX-B: c\r\n"),
        ("no header", b""),
    ],
)
def test_a_gate_puts_a_header_before_the_message(tmp_path: Path, value: str, header: bytes, *, by_session: bool) -> None:
    gate = Scripted("g", {P.RCPT: Finding("g", actions=(Action("prepend", value),))})
    if by_session:
        (message,) = Talk(tmp_path, gate).stored
    else:
        stored = Run(tmp_path, gate)(b"Subject: x\r\n\r\nhello\r\n").message
        assert stored is not None
        message = stored
    assert message.content.read().startswith(header + b"Received: from client")


@pytest.mark.parametrize("told", ["ADDR=192.0.2.9", "ADDR=192.0.2.9 NAME=-x"])
def test_of_another_client_nothing_is_known(tmp_path: Path, told: str) -> None:
    """Whether or not all of XCLIENT was right."""
    known: list[int] = []

    async def look(stage: ProtocolStage, view: View) -> Finding:
        evidence = view.facts.evidence
        known.append(len(evidence.everything()))
        evidence.add(Found(view.facts.client_address), Scope.SESSION)
        return NOTHING_FOUND

    Talk(tmp_path, Scripted("g", look, stages=[P.MAIL]), data=HELLO + MAIL + b"RSET\r\nXCLIENT " + told.encode() + b"\r\n" + MAIL)
    assert known == [0, 0]


def test_a_message_that_is_over_is_kept_by_nobody(tmp_path: Path) -> None:
    """An idle session would hold what was staged of it."""
    views: list[View] = []

    async def look(stage: ProtocolStage, view: View) -> Finding:
        views.append(view)
        return NOTHING_FOUND

    talk = Talk(tmp_path, Scripted("g", look, stages=[P.END_OF_MESSAGE]), data=HELLO + MAIL + RCPT + CONTENT)
    assert len(talk.stored) == 1
    assert [(view.draft, view.words) for view in views] == [(None, ())]


# --- how the end of a message is answered, logged and copied ---


@pytest.mark.parametrize("at", [P.RCPT, P.END_OF_HEADERS, P.END_OF_MESSAGE])
@pytest.mark.parametrize("severity", [Severity.PASS, Severity.REFUSE])
def test_a_guard_ends_the_session_wherever_it_stands(tmp_path: Path, at: ProtocolStage, severity: Severity) -> None:
    refusal = SPAM if severity else None
    gate = Scripted("g", {at: Finding("g", severity, refusal, disconnect=True)})
    said = Talk(tmp_path, gate, data=TALK + b"NOOP\r\n").said
    assert "221 2.0.0 Bye" not in said


@pytest.mark.parametrize("by_session", [True, False])
@pytest.mark.parametrize("at", [P.RCPT, P.END_OF_HEADERS, P.END_OF_MESSAGE])
def test_a_gate_has_a_copy_sent(tmp_path: Path, at: ProtocolStage, *, by_session: bool) -> None:
    gate = Scripted("g", {at: Finding("g", actions=(Action("bcc", "archive@example.test"),))})
    stored = Talk(tmp_path, gate).stored if by_session else [Run(tmp_path, gate)(b"Subject: x\r\n\r\nhello\r\n").message]
    assert stored[0] is not None
    assert [one.address for one in stored[0].envelope.recipients] == ["alice@example.test", "archive@example.test"]


@pytest.mark.parametrize("at", [P.MAIL, P.RCPT, P.END_OF_DATA, P.END_OF_MESSAGE])
@pytest.mark.parametrize("action", list(FailureAction))
def test_a_gate_that_is_too_slow_is_told_of(tmp_path: Path, at: ProtocolStage, action: FailureAction) -> None:
    """Also where its mail is taken all the same."""
    talk = Talk(tmp_path, Scripted("g", {at: forever}, time_limit=30.0, on_failure=action))
    assert sum(": warn: " in line and f"gate g: no answer within 30 s: {action.value}" in line for line in talk.log) == 1


@pytest.mark.parametrize("at", [P.RCPT, P.END_OF_MESSAGE])
def test_the_record_of_a_gates_refusal_says_which_and_why(tmp_path: Path, at: ProtocolStage) -> None:
    gate = Scripted("g", {at: forever}, time_limit=30.0)
    judged = [event for event in Talk(tmp_path, gate).events if isinstance(event, Judged) and event.action == "reject"]
    assert [(event.why.rule, event.why.reason) for event in judged] == [("g", "no answer within 30 s")]


# --- mail that does not come by SMTP ---


def test_local_mail_is_shown_as_if_it_had_come_by_smtp(tmp_path: Path) -> None:
    gate = Scripted()
    run = Run(tmp_path, gate)
    two = (Recipient("alice@example.test"), Recipient("bob@example.test"))
    assert run(b"Subject: x\r\n\r\nhello\r\n", *two, origin="pickup").message is not None
    assert gate.sessions == [
        ["CONNECT", "HELO localhost", "MAIL sender@client.test", "RCPT alice@example.test", "RCPT bob@example.test", "DATA",
         "END-OF-HEADERS", "END-OF-MESSAGE", "reset", "close"]
    ]  # fmt: skip


def test_requeued_mail_comes_from_where_it_came_from() -> None:
    envelope = Envelope("a@b.test", (), attributes=(("client_name", "c.test"), ("client_address", "192.0.2.1"), ("helo_name", "h")))
    facts = facts_of(envelope)
    assert (facts.client_name, facts.client_address, facts.helo_name, facts.sender) == ("c.test", "192.0.2.1", "h", "a@b.test")


@pytest.mark.parametrize("at", [P.CONNECT, P.HELO, P.MAIL, P.RCPT, P.DATA, P.END_OF_HEADERS, P.END_OF_MESSAGE])
def test_local_mail_is_refused_as_a_whole(tmp_path: Path, at: ProtocolStage) -> None:
    """One recipient of it cannot be refused, as nobody is there to hear that: the message waits."""
    gate = Scripted("g", {at: Finding("g", Severity.REFUSE, SPAM)})
    done = Run(tmp_path, gate)(b"Subject: x\r\n\r\nhello\r\n", origin="pickup")
    assert done.message is None
    assert done.outcome is not None
    assert (done.outcome.code, done.returned is None) == ((451, False) if at is P.RCPT else (550, False))
    assert gate.sessions[0][-1] == "close"


def test_guards_of_local_mail_go_however_it_ends(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def look(stage: ProtocolStage, view: View) -> Finding:
        asked.set()
        return await forever()

    gate = Scripted("g", {P.END_OF_MESSAGE: look})
    run = Run(tmp_path, gate)

    async def cancelled() -> None:
        intake = run.cleanup.open(QUEUE_ID, client="", origin_service="pickup")
        intake.write(b"Subject: x\r\n\r\nhello\r\n")
        task = asyncio.ensure_future(intake.admit(Envelope("a@b.test", (Recipient("alice@example.test"),))))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert gate.sessions[0][-1] == "close"
