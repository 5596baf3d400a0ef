"""Every way in which a next hop fails names the stage, the host, and what it said."""

import errno

import pytest

from gatepost.deliver import failures
from gatepost.deliver.smtp_connection import Broken, Trouble
from gatepost.mail.outcome import Class, Outcome
from gatepost.proto.smtp.client import Answer, ClientStage
from gatepost.proto.smtp.reply_reader import Reply

HOST = "mx.test[192.0.2.1]:25"


def tells(outcome: Outcome, rule: str, reason: str) -> bool:
    why = outcome.why
    return (why.rule, why.table, why.reason) == (rule, HOST, reason) and not outcome.ok


@pytest.mark.parametrize("stage", [ClientStage.MAIL, ClientStage.RCPT, ClientStage.DATA, ClientStage.DOT])
@pytest.mark.parametrize("code", [450, 550, 354])
def test_a_refusal(stage: ClientStage, code: int) -> None:
    reply = Reply(code, f"{code} no", f"{code} no", (b"no",))
    outcome = failures.said(Answer(stage, reply), HOST, "mx.test")
    if (stage, code) == (ClientStage.DATA, 354):
        assert outcome.ok, "of an address that is only asked for; else the content comes next"
    else:
        assert tells(outcome, failures.RULES[stage], f"{code} no")


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("stage", ClientStage)
def test_a_conversation_that_broke(stage: ClientStage, trouble: Trouble) -> None:
    outcome = failures.broken(Broken(trouble, stage, "words"), HOST)
    assert outcome.cls is Class.TEMPORARY
    assert (outcome.why.rule, outcome.why.table) == (failures.RULES[stage], HOST)
    assert outcome.why.reason


def test_a_host_that_cannot_be_reached_or_will_not_talk() -> None:
    refusal = Reply(554, "554 go away", "554 go away", (b"go away",))
    assert tells(failures.refused(refusal, HOST, "mx.test", soften=True), "greeting", "554 go away")
    assert tells(failures.refused_tls(refusal, HOST, "mx.test"), "STARTTLS", "554 go away")
    assert tells(failures.unreachable(TimeoutError(), HOST), "connect", "Connection timed out")
    assert tells(failures.unreachable(OSError(errno.ECONNREFUSED, "x"), HOST), "connect", "Connection refused")
