"""check_greylist: has this client asked for this recipient in the name of this sender before? (RFC 6647)

What was found is evidence (policy/greylist/greylister.py, Greylisted); the header of a message that had to wait comes once,
whatever the number of its recipients. Failure: greylist_default_action where the state store cannot answer.
"""

from gatepost.identity.spf.check import Finding
from gatepost.policy import subjects
from gatepost.policy.access import obey
from gatepost.policy.evaluation import DUNNO, Decision, Evaluation
from gatepost.policy.greylist.attempt import Attempt
from gatepost.policy.greylist.greylister import Greylisted
from gatepost.policy.greylist.identity import attempt_of
from gatepost.policy.port import Facts
from gatepost.policy.restrictions.rows import Row, Rows
from gatepost.state.port import StateUnavailable

_TABLE = "greylist"
_WHOLE_MESSAGE = frozenset({"DATA", "END-OF-MESSAGE"})
_WITHOUT_HEADERS = frozenset({"VRFY", "ETRN", "END-OF-MESSAGE"})
"""Stages without a message, or at which it is too late for a header."""


async def check_greylist(e: Evaluation, _: None) -> Decision:
    """Put off who has to come again, and go on with the others."""
    facts, greylister = e.facts, e.sources.greylister
    subject = subjects.recipient(facts)
    try:
        found = await greylister.ask(_attempt(e))
    except StateUnavailable as unavailable:
        e.looked_up(_TABLE, facts.client_address, str(unavailable))
        return await obey(e, _TABLE, facts.client_address, greylister.settings.greylist_default_action, subject)
    e.looked_up(_TABLE, found.key, found.ground.value)
    if found.header and _is_to_be_told(facts):
        await obey(e, _TABLE, found.key, f"PREPEND {found.header}", subject)
    facts.evidence.add(found)
    return await obey(e, _TABLE, found.key, found.action, subject) if found.action else DUNNO


def _attempt(e: Evaluation) -> Attempt:
    facts = e.facts
    sender = facts.sender or ""
    whole = facts.protocol_state in _WHOLE_MESSAGE and facts.recipient_count > 1
    recipient = "" if whole else facts.recipient or ""
    finding = facts.evidence.get(Finding)
    if finding is not None and (finding.client.sender, finding.client.address) != (sender, facts.client_address):
        finding = None  # of another message
    settings = e.sources.greylister.settings
    return attempt_of(settings, facts.client_address, facts.client_name, sender, recipient, finding)


def _is_to_be_told(facts: Facts) -> bool:
    """Whether the message is to have a header, and has none yet."""
    return facts.protocol_state not in _WITHOUT_HEADERS and not any(one.header for one in facts.evidence.all(Greylisted))


ROWS: Rows = {"check_greylist": Row(check_greylist, needs="recipient")}
"""Name to row."""
