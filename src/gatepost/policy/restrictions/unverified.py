"""reject_unverified_sender, reject_unverified_recipient: would mail to this address be taken? (ADDRESS_VERIFICATION_README)"""

from collections.abc import Callable

from msgspec import Struct

from gatepost.policy import subjects
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation, Subject
from gatepost.policy.port import Facts
from gatepost.policy.restrictions.rows import Row, Rows
from gatepost.policy.settings import PolicySettings
from gatepost.policy.verify.findings import Deliverability, Finding
from gatepost.state.port import StateUnavailable

_PROBLEM = "address verification problem"


class _Answers(Struct, frozen=True):
    """unverified_sender_* or unverified_recipient_*."""

    reject_code: int
    defer_code: int
    reject_reason: str
    tempfail_action: str


class _Which(Struct, frozen=True):
    """Whose address: its fact, what is said of it, the enhanced status code, and its parameters."""

    fact: str
    subject: Callable[[Facts], Subject]
    enhanced: str
    answers: Callable[[PolicySettings], _Answers]


def _of_sender(s: PolicySettings) -> _Answers:
    return _Answers(
        s.unverified_sender_reject_code,
        s.unverified_sender_defer_code,
        s.unverified_sender_reject_reason,
        s.unverified_sender_tempfail_action,
    )


def _of_recipient(s: PolicySettings) -> _Answers:
    return _Answers(
        s.unverified_recipient_reject_code,
        s.unverified_recipient_defer_code,
        s.unverified_recipient_reject_reason,
        s.unverified_recipient_tempfail_action,
    )


async def _check(e: Evaluation, which: _Which) -> Decision:
    address: str | None = getattr(e.facts, which.fact)
    if not address:
        return DUNNO
    subject, answers = which.subject(e.facts), which.answers(e.settings)
    try:
        finding = await e.sources.verifier.verify(address, e.facts.client_address, stressed=e.facts.stress)
    except StateUnavailable as trouble:
        e.warn("verify service failure")
        e.looked_up("address_verify_map", address, str(trouble))
        return e.temporary(answers.tempfail_action, which.enhanced, subject, _PROBLEM)
    e.looked_up("address_verify_map", address, f"{finding.status.name.lower()}: {finding.text}")
    return _decide(e, which.enhanced, subject, answers, finding)


def _decide(e: Evaluation, enhanced: str, subject: Subject, answers: _Answers, finding: Finding) -> Decision:
    """A code of 2xx lets the address pass, one of 4xx puts it off, and only one of 5xx refuses it for good."""
    if finding.good:
        return DUNNO
    code = answers.reject_code if finding.status is Deliverability.UNDELIVERABLE else answers.defer_code
    text = answers.reject_reason or finding.text
    if code < 300:
        return DUNNO
    if code // 100 == 4:
        return e.temporary(answers.tempfail_action, enhanced, subject, f"unverified address: {text:.250}", code)
    return e.reject(code, enhanced, subject, f"undeliverable address: {text}")


def _row(which: _Which) -> Row:
    async def check(e: Evaluation, _: None) -> Decision:
        return await _check(e, which)

    return Row(check, needs=which.fact)


ROWS: Rows = {
    "reject_unverified_sender": _row(_Which("sender", subjects.sender, "4.1.7", _of_sender)),
    "reject_unverified_recipient": _row(_Which("recipient", subjects.recipient, "4.1.1", _of_recipient)),
}
"""Name to row."""
