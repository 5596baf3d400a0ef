"""check_*_access: access(5) tables on what the client says and is."""

from itertools import chain

from gatepost.lookup.port import Table
from gatepost.policy import keys, subjects
from gatepost.policy.access import search
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation, Subject
from gatepost.policy.restrictions.rows import TABLE, Row, Rows


async def check_client_access(e: Evaluation, table: Table) -> Decision:
    return await _host(e, table, e.facts.client_name, subjects.client(e.facts))


async def check_reverse_client_hostname_access(e: Evaluation, table: Table) -> Decision:
    return await _host(e, table, e.facts.reverse_client_name, subjects.reverse_client(e.facts))


async def _host(e: Evaluation, table: Table, name: str, subject: Subject) -> Decision:
    """By name and parent domains, then by address and parent networks."""
    found = await search(e, table, keys.domains(name, dotless_parents=e.sources.dotless_parents), subject)
    if found is None:
        found = await search(e, table, keys.networks(e.facts.client_address), subject)
    return DUNNO if found is None else found


async def check_helo_access(e: Evaluation, table: Table) -> Decision:
    return await _domain(e, table, e.facts.helo_name or "", subjects.helo(e.facts))


async def check_etrn_access(e: Evaluation, table: Table) -> Decision:
    return await _domain(e, table, e.facts.etrn_domain, subjects.etrn(e.facts)) if e.facts.etrn_domain else DUNNO


async def _domain(e: Evaluation, table: Table, name: str, subject: Subject) -> Decision:
    found = await search(e, table, keys.domains(name, dotless_parents=e.sources.dotless_parents), subject)
    return DUNNO if found is None else found


async def check_sender_access(e: Evaluation, table: Table) -> Decision:
    subject = subjects.sender(e.facts)
    if e.facts.sender:
        return await _mail(e, table, subject)
    found = await search(e, table, (e.settings.smtpd_null_access_lookup_key,), subject)
    return DUNNO if found is None else found


async def check_recipient_access(e: Evaluation, table: Table) -> Decision:
    """A route that the sender chose is not trusted: OK for such an address only goes on with the next restriction."""
    decision = await _mail(e, table, subjects.recipient(e.facts))
    if decision is PERMIT and not e.settings.allow_untrusted_routing:
        route = await e.route(e.facts.recipient or "")
        return DUNNO if route.routed else PERMIT
    return decision


async def _mail(e: Evaluation, table: Table, subject: Subject) -> Decision:
    address = (await e.route(subject.name)).recipient
    if "@" not in address:
        e.warn(f"no @domain in address: {address}")
        return DUNNO
    wanted = keys.mail_addresses(address, e.settings.recipient_delimiter, dotless_parents=e.sources.dotless_parents)
    found = await search(e, table, wanted, subject)
    return DUNNO if found is None else found


async def check_sasl_access(e: Evaluation, table: Table) -> Decision:
    if not e.facts.sasl_username:
        return DUNNO
    found = await search(e, table, (e.facts.sasl_username,), Subject(e.facts.sasl_username, "SASL login name"))
    return DUNNO if found is None else found


async def check_ccert_access(e: Evaluation, table: Table) -> Decision:
    """By the fingerprint of the certificate, then of its public key."""
    facts = e.facts
    for fingerprint in filter(None, chain((facts.ccert_fingerprint, facts.ccert_pubkey_fingerprint))):
        found = await search(e, table, (fingerprint,), subjects.certificate(facts))
        if found is not None:
            return found
    return DUNNO


ROWS: Rows = {
    "check_client_access": Row(check_client_access, TABLE),
    "check_reverse_client_hostname_access": Row(check_reverse_client_hostname_access, TABLE),
    "check_helo_access": Row(check_helo_access, TABLE, needs="helo_name"),
    "check_sender_access": Row(check_sender_access, TABLE, needs="sender"),
    "check_recipient_access": Row(check_recipient_access, TABLE, needs="recipient"),
    "check_etrn_access": Row(check_etrn_access, TABLE),
    "check_sasl_access": Row(check_sasl_access, TABLE),
    "check_ccert_access": Row(check_ccert_access, TABLE),
}
