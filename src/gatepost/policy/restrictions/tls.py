"""Restrictions on the TLS session (TLS_README)."""

from gatepost.lookup.port import LookupFailure
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation
from gatepost.policy.restrictions.rows import Row, Rows


async def reject_plaintext_session(e: Evaluation, _: None) -> Decision:
    if e.facts.tls_protocol:
        return DUNNO
    e.looked_up("", e.facts.client)
    return e.refuse(e.settings.plaintext_reject_code, "4.7.1", "Session encryption is required")


async def permit_tls_all_clientcerts(e: Evaluation, _: None) -> Decision:
    e.looked_up("", e.facts.ccert_subject)
    return PERMIT if e.facts.ccert_trusted else DUNNO


async def permit_tls_clientcerts(e: Evaluation, _: None) -> Decision:
    """Certificates whose fingerprint, or that of their public key, relay_clientcerts lists; no chain of trust is asked for."""
    facts = e.facts
    for fingerprint in filter(None, (facts.ccert_fingerprint, facts.ccert_pubkey_fingerprint)):
        e.looked_up(e.settings.relay_clientcerts, fingerprint)
        try:
            if await e.sources.tables.maps(e.settings.relay_clientcerts, "relay_clientcerts").find(fingerprint) is not None:
                return PERMIT
        except LookupFailure:
            e.warn(f"relay_clientcerts: lookup error for fingerprint '{fingerprint}'")
            return DUNNO
    return DUNNO


ROWS: Rows = {
    "reject_plaintext_session": Row(reject_plaintext_session),
    "permit_tls_all_clientcerts": Row(permit_tls_all_clientcerts),
    "permit_tls_clientcerts": Row(permit_tls_clientcerts),
}
