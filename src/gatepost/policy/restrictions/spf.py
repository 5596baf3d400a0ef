"""check_spf: may this client send in the name of its sender's domain, or of what it calls itself? (RFC 7208)

What becomes of each result say the parameters spf_*_action (identity/spf/ruling.py). A message is told the result once, whatever
the number of its recipients.
"""

from msgspec import Struct

from gatepost.identity.spf.check import Client, Finding
from gatepost.identity.spf.port import Identity, Verdict
from gatepost.identity.spf.ruling import DUNNO as NOTHING
from gatepost.identity.spf.ruling import Ruling, headers, rule
from gatepost.lookup.port import LookupFailure
from gatepost.policy import subjects
from gatepost.policy.access import obey
from gatepost.policy.evaluation import DUNNO, REJECT, Decision, Evaluation, Subject, TemporaryLookupFailure
from gatepost.policy.port import Facts
from gatepost.policy.restrictions.rows import Row, Rows

_WITHOUT_HEADERS = frozenset({"VRFY", "ETRN", "END-OF-MESSAGE"})
"""Stages without a message, or at which it is too late for a header."""


class HeadersTold(Struct, frozen=True):
    """Evidence that the message has been given its headers."""


_TOLD = HeadersTold()


async def check_spf(e: Evaluation, _: None) -> Decision:
    """Refuse, or give the message its headers and go on, or obey the action of access(5) that is configured. What was found out is
    evidence (identity/spf/check.py, Finding) for whoever comes later."""
    checker = e.sources.spf
    try:
        finding = await _finding(e)
        ruling = await rule(finding, checker.settings, checker.lists)
    except LookupFailure as failure:
        raise TemporaryLookupFailure(e.facts.client_address) from failure
    if (verdict := ruling.verdict) is not None:
        e.looked_up("SPF", verdict.domain, f"{verdict.result} {verdict.term or verdict.problem}".strip())
    if ruling.code and _refuse(e, ruling) is REJECT:
        return REJECT
    _tell(e, finding)
    if ruling.code or ruling.action == NOTHING:
        return DUNNO
    return await obey(e, "spf", e.why.key, ruling.action, _subject(e.facts, verdict))


async def _finding(e: Evaluation) -> Finding:
    """What is known of this client and message, or is now found out."""
    facts = e.facts
    client = Client(facts.client_address, facts.client_name, facts.helo_name or "", facts.sender or "")
    finding = facts.evidence.get(Finding)
    if finding is None or finding.client != client:
        finding = await e.sources.spf.find(client)
        facts.evidence.add(finding)
    return finding


def _refuse(e: Evaluation, ruling: Ruling) -> Decision:
    text = f"{_subject(e.facts, ruling.verdict)} rejected: {ruling.text}"
    if ruling.action == "defer_if_permit":
        return e.postpone_permit(ruling.code, ruling.enhanced, text)
    return e.refuse(ruling.code, ruling.enhanced, text)


def _tell(e: Evaluation, finding: Finding) -> None:
    """Give the message its headers, unless it has them."""
    facts = e.facts
    if facts.sender is None or facts.protocol_state in _WITHOUT_HEADERS or facts.evidence.get(HeadersTold) is not None:
        return
    facts.evidence.add(_TOLD)
    for line in headers(finding, e.sources.spf.settings):
        e.act("prepend", line)


def _subject(facts: Facts, verdict: Verdict | None) -> Subject:
    return subjects.helo(facts) if verdict is None or verdict.identity is Identity.HELO else subjects.sender(facts)


ROWS: Rows = {"check_spf": Row(check_spf)}
"""Name to row."""
