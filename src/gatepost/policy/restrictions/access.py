"""check_*_access: access(5) tables on what the client says and is."""

from typing import Final, NamedTuple

from gatepost.lookup.braces import split_list, unbrace
from gatepost.lookup.port import Table
from gatepost.mail.ascii_text import SPACE, elements
from gatepost.policy import keys, subjects
from gatepost.policy.access import search
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation, Subject
from gatepost.policy.restrictions.rows import TABLE, Argument, Row, Rows
from gatepost.policy.sources import Materials


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


class Certificates(NamedTuple):
    """A table of certificates, and which of their fingerprints it is asked for, in order."""

    table: Table
    order: tuple[str, ...]


_FINGERPRINTS: Final = {"cert_fingerprint": "ccert_fingerprint", "pubkey_fingerprint": "ccert_pubkey_fingerprint"}
"""Words of `search_order`, and the facts that they stand for; the usual order."""


def _certificates(materials: Materials, text: str) -> Certificates:
    """`type:name`, or `{ type:name { search_order = word, word } }`. Raises ValueError."""
    name, order = text, tuple(_FINGERPRINTS)
    if text.startswith("{"):
        name, *options = split_list(unbrace(text))
        for option in options:
            word, _, value = unbrace(option).partition("=")
            order = tuple(elements(value))
            if word.strip(SPACE) != "search_order" or not order or not set(order) <= _FINGERPRINTS.keys():
                raise ValueError(option)
    if ":" not in name:
        raise ValueError(name)
    return Certificates(materials.tables.open(name), order)


async def check_ccert_access(e: Evaluation, certificates: Certificates) -> Decision:
    """By the fingerprint of the certificate, then of its public key, or as `search_order` says."""
    for word in certificates.order:
        fingerprint = getattr(e.facts, _FINGERPRINTS[word])
        if fingerprint:
            found = await search(e, certificates.table, (fingerprint,), subjects.certificate(e.facts))
            if found is not None:
                return found
    return DUNNO


_BAD_CERTIFICATES: Final = (
    'restriction {name}: bad argument "{text}": need maptype:mapname, in braces also with search_order = '
    + ", ".join(_FINGERPRINTS)
)

ROWS: Rows = {
    "check_client_access": Row(check_client_access, TABLE),
    "check_reverse_client_hostname_access": Row(check_reverse_client_hostname_access, TABLE),
    "check_helo_access": Row(check_helo_access, TABLE, needs="helo_name"),
    "check_sender_access": Row(check_sender_access, TABLE, needs="sender"),
    "check_recipient_access": Row(check_recipient_access, TABLE, needs="recipient"),
    "check_etrn_access": Row(check_etrn_access, TABLE),
    "check_sasl_access": Row(check_sasl_access, TABLE),
    "check_ccert_access": Row(check_ccert_access, Argument(_certificates, _BAD_CERTIFICATES)),
}
