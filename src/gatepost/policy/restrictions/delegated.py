"""check_policy_service: ask another program (SMTPD_POLICY_README)."""

from gatepost.policy.access import obey
from gatepost.policy.evaluation import Decision, Evaluation
from gatepost.policy.policy_service import PolicyService
from gatepost.policy.port import Facts
from gatepost.policy.restrictions.rows import Argument, Row, Rows
from gatepost.policy.sources import Materials

# Only here the number of recipients is told, and one recipient stands for the message.
_WHOLE_MESSAGE = frozenset({"DATA", "END-OF-MESSAGE"})


def attributes(facts: Facts, context: str) -> dict[str, str]:
    """The request, in the order in which Postfix sends it."""
    whole = facts.protocol_state in _WHOLE_MESSAGE
    recipient = "" if whole and facts.recipient_count > 1 else facts.recipient or ""
    return {
        "request": "smtpd_access_policy",
        "protocol_state": facts.protocol_state,
        "protocol_name": facts.protocol_name,
        "client_address": facts.client_address,
        "client_name": facts.client_name,
        "client_port": facts.client_port,
        "reverse_client_name": facts.reverse_client_name,
        "server_address": facts.server_address,
        "server_port": facts.server_port,
        "helo_name": facts.helo_name or "",
        "sender": facts.sender or "",
        "recipient": recipient,
        "recipient_count": str(facts.recipient_count) if whole else "0",
        "queue_id": facts.queue_id,
        "instance": facts.instance,
        "size": str(facts.message_size),
        "etrn_domain": facts.etrn_domain,
        "stress": "yes" if facts.stress else "",
        "sasl_method": facts.sasl_method,
        "sasl_username": facts.sasl_username,
        "sasl_sender": facts.sasl_sender,
        "ccert_subject": facts.ccert_subject,
        "ccert_issuer": facts.ccert_issuer,
        "ccert_fingerprint": facts.ccert_fingerprint,
        "ccert_pubkey_fingerprint": facts.ccert_pubkey_fingerprint,
        "encryption_protocol": facts.tls_protocol,
        "encryption_cipher": facts.tls_cipher,
        "encryption_keysize": str(facts.tls_keysize),
        "policy_context": context,
    }


async def check_policy_service(e: Evaluation, service: PolicyService) -> Decision:
    """Obey the action that the server, or for want of an answer its default, gives."""
    action = await service.action(attributes(e.facts, service.context), e.facts.client_address)
    e.looked_up(service.server, e.subject.name, action)
    return await obey(e, service.server, "policy query", action, e.subject)


def _service(materials: Materials, text: str) -> PolicyService:
    return materials.policy_servers.open(text)


ROWS: Rows = {
    "check_policy_service": Row(
        check_policy_service, Argument(_service, 'restriction {name}: bad argument "{text}": need maptype:mapname')
    ),
}
