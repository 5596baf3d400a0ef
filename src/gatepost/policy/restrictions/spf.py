"""check_spf: may this client send in the name of its sender's domain, or of what it calls itself? (RFC 7208)

What becomes of each result say the parameters spf_*_action (identity/spf/ruling.py). A message is told the result once, whatever
the number of its recipients.
"""

from msgspec.structs import replace

from gatepost.identity.spf.check import Client, Finding
from gatepost.identity.spf.port import Identity, Verdict
from gatepost.identity.spf.ruling import DUNNO as NOTHING
from gatepost.identity.spf.ruling import Ruling, headers, rule
from gatepost.lookup.port import LookupFailure
from gatepost.policy import subjects
from gatepost.policy.access import obey
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation, Subject, TemporaryLookupFailure
from gatepost.policy.port import Facts, SpfFact
from gatepost.policy.restrictions.rows import Row, Rows

_WITHOUT_HEADERS = frozenset({"VRFY", "ETRN", "END-OF-MESSAGE"})
"""Stages without a message, or at which it is too late for a header."""


async def check_spf(e: Evaluation, _: None) -> Decision:
    """Refuse, or give the message its headers and go on, or obey the action of access(5) that is configured."""
    checker = e.sources.spf
    try:
        fact = await _fact(e)
        ruling = await rule(fact.finding, checker.settings, checker.lists)
    except LookupFailure as failure:
        raise TemporaryLookupFailure(e.facts.client_address) from failure
    if (verdict := ruling.verdict) is not None:
        e.looked_up(
            f"SPF {verdict.domain}", _whom(fact.finding, verdict), f"{verdict.result} {verdict.term or verdict.problem}".strip()
        )
    if ruling.code:
        return _refuse(e, ruling)
    _tell(e, fact)
    if ruling.action == NOTHING:
        return DUNNO
    return await obey(e, "spf", e.why.key, ruling.action, _subject(e.facts, ruling.verdict))


async def _fact(e: Evaluation) -> SpfFact:
    """What is known of this client and sender, or is now found out."""
    facts = e.facts
    client = client_of(facts)
    fact = facts.spf
    if fact is None or fact.finding.client != client:
        fact = facts.spf = SpfFact(await e.sources.spf.find(client))
    return fact


def client_of(facts: Facts) -> Client:
    """Whom the session is about now."""
    return Client(facts.client_address, facts.client_name, facts.helo_name or "", facts.sender or "")


def spf_of(facts: Facts) -> Finding | None:
    """What check_spf has found out about the present client, HELO name and sender; None where it was not asked."""
    fact = facts.spf
    return fact.finding if fact is not None and fact.finding.client == client_of(facts) else None


def _refuse(e: Evaluation, ruling: Ruling) -> Decision:
    text = f"{_subject(e.facts, ruling.verdict)} rejected: {ruling.text}"
    if ruling.action == "defer_if_permit":
        return e.postpone_permit(ruling.code, ruling.enhanced, text)
    return e.refuse(ruling.code, ruling.enhanced, text)


def _tell(e: Evaluation, fact: SpfFact) -> None:
    """Give the message its headers, unless it has them."""
    facts = e.facts
    if facts.sender is None or fact.told == facts.instance or facts.protocol_state in _WITHOUT_HEADERS:
        return
    facts.spf = replace(fact, told=facts.instance)
    for line in headers(fact.finding, e.sources.spf.settings):
        e.act("prepend", line)


def _subject(facts: Facts, verdict: Verdict | None) -> Subject:
    return subjects.helo(facts) if verdict is None or verdict.identity is Identity.HELO else subjects.sender(facts)


def _whom(finding: Finding, verdict: Verdict) -> str:
    client = finding.client
    return f"{client.address} {client.helo if verdict.identity is Identity.HELO else client.sender}"


ROWS: Rows = {"check_spf": Row(check_spf)}
"""Name to row."""
