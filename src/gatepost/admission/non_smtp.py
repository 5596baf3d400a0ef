"""Mail that does not come by SMTP (pickup, notices): guards are shown it as if it had (MILTER_README, non_smtpd_milters)."""

from collections.abc import Iterator

from msgspec import structs

from gatepost.admission.gates import Guards
from gatepost.admission.port import Finding, ProtocolStage, Severity
from gatepost.mail.address import external
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.net.turns import Turns
from gatepost.policy.port import Facts

CANNOT_REFUSE_A_RECIPIENT = Outcome(
    Class.TEMPORARY, "4.3.5", "Server configuration error", code=451, origin="software"
)  # fmt: skip
"""Nobody is there to be told of one recipient: the message waits until somebody has mended what refuses it."""


def facts_of(envelope: Envelope) -> Facts:
    """What an envelope tells of where its message came from: from here, unless it knows better (postsuper -r)."""
    told, facts = dict(envelope.attributes), Facts()
    facts.client_name = facts.reverse_client_name = told.get("client_name", "localhost")
    facts.client_address = told.get("client_address", "127.0.0.1")
    facts.server_address = "127.0.0.1"
    facts.client_port = told.get("client_port", "")
    facts.helo_name = told.get("helo_name", facts.client_name)
    facts.protocol_name, facts.esmtp = told.get("protocol_name", "ESMTP"), True
    facts.sasl_method, facts.sasl_username = told.get("sasl_method", ""), told.get("sasl_username", "")
    facts.sasl_sender = told.get("sasl_sender", "")
    facts.sender = envelope.sender
    facts.smtputf8 = envelope.smtputf8
    return facts


async def show(guards: Guards, envelope: Envelope, queue_id: str) -> list[tuple[ProtocolStage, Finding]]:
    """What guards say of each stage of the session that there was not, up to the one at which nobody will get the message. Raises
    LookupFailure."""
    facts, found = guards.view.facts, []
    facts.queue_id = queue_id
    turns = Turns()
    for stage, words in _said(facts, envelope):
        facts.protocol_state = stage.value
        finding = await guards.look(stage, words)
        if stage is ProtocolStage.RCPT and finding.outcome is not None:
            outcome = structs.replace(CANNOT_REFUSE_A_RECIPIENT, why=finding.outcome.why)
            finding = Finding(finding.gate, Severity.DEFER, outcome, finding.outcome.text)
        found.append((stage, finding))
        if finding.severity >= Severity.DISCARD:
            break
        if turns.over():
            await turns.rest()
    facts.recipient = None
    return found


def _said(facts: Facts, envelope: Envelope) -> Iterator[tuple[ProtocolStage, tuple[str, ...]]]:
    """The commands of that session. Addresses have no brackets, as filters behind Postfix know it."""
    yield ProtocolStage.CONNECT, ()
    yield ProtocolStage.HELO, (facts.helo_name or "",)
    yield ProtocolStage.MAIL, (external(envelope.sender),)
    for recipient in envelope.recipients:
        facts.recipient = recipient.address
        yield ProtocolStage.RCPT, (external(recipient.address),)
        facts.recipient_count += 1
    facts.recipient = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
    yield ProtocolStage.DATA, ()
