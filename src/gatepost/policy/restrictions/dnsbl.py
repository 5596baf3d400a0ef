"""DNS block and allow lists of addresses and of domains (RFC 5782; postconf(5), reject_rbl_client and its kin)."""

import ipaddress
import re
from collections.abc import Callable

from msgspec import Struct

from gatepost.config.expand import fill
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import SPACE, elements, spaced_words
from gatepost.mail.expansion_filter import passed
from gatepost.net.port import DnsFailure, Filtered, FilterFailed, NotFound
from gatepost.policy import subjects
from gatepost.policy.access import split_enhanced
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation, Subject, TemporaryLookupFailure
from gatepost.policy.port import Facts
from gatepost.policy.restrictions.relay import authorized
from gatepost.policy.restrictions.rows import Argument, Row, Rows
from gatepost.policy.restrictions.servers import dns_words
from gatepost.policy.sources import Materials

REPLIES_LIMIT = 100
"""Address records of one answer that are compared with a pattern."""

_NUMBER = r"(?:0|[1-9][0-9]{0,2})"
_PART = rf"{_NUMBER}(?:\.\.{_NUMBER})?"
_PATTERN = re.compile(rf"(?:{_NUMBER}|\[{_PART}(?:;{_PART})*\])(?:\.(?:{_NUMBER}|\[{_PART}(?:;{_PART})*\])){{3}}\Z")
_REPLY = re.compile(r"([45]\d\d) +(\S.*)", re.ASCII | re.DOTALL)
_MACRO = re.compile(r"\$(?:\$|(\w+)|[({](\w+)[)}]|[({](\w+)[?:])", re.ASCII)


class DnsList(Struct, frozen=True):
    """A list as configured: `text`, its domain, and for each octet of a reply the values that count (empty: any reply)."""

    text: str
    domain: str
    octets: tuple[frozenset[int], ...] = ()

    def listed(self, replies: tuple[str, ...]) -> bool:
        """Whether one of the addresses that the list returned is one that counts."""
        if not self.octets:
            return bool(replies)
        return any(
            all(int(part) in values for part, values in zip(reply.split("."), self.octets, strict=True)) for reply in replies
        )


def parse(text: str) -> DnsList:
    """`domain` or `domain=d.d.d.d`, where each d is a number or `[a;b..c]`. Raises ValueError."""
    domain, equals, pattern = text.partition("=")
    if not domain or (equals and not _PATTERN.match(pattern)):
        raise ValueError(text)
    if not equals:
        return DnsList(text, domain)
    parts = re.findall(r"\[[^\]]*\]|[0-9]+", pattern)
    return DnsList(text, domain, tuple(frozenset(_values(part)) for part in parts))


def _values(part: str) -> set[int]:
    values: set[int] = set()
    for piece in part.strip("[]").split(";"):
        low, _, high = piece.partition("..")
        values.update(range(int(low), int(high or low) + 1))
    if not values or max(values) > 255:
        raise ValueError(part)
    return values


def reversed_address(address: str) -> str:
    """The labels of an address as a list is asked for them (RFC 5782 §2.1, §2.4). That of an IPv4 address, as most are, is not
    parsed for it."""
    if ":" not in address:
        return ".".join(address.split(".")[::-1])
    return ipaddress.ip_address(address).reverse_pointer.removesuffix(".ip6.arpa")


async def _listed(e: Evaluation, query: str, dnslist: DnsList) -> bool:
    """Raises DnsFailure other than NotFound, after a warning."""
    try:
        replies = (await e.sources.resolver.a(query))[:REPLIES_LIMIT]
    except NotFound:
        return False
    except DnsFailure as failure:
        reason = _words(failure)
        e.warn(f"{query}: RBL lookup error: {reason}")
        e.looked_up(dnslist.text, query, reason)
        raise
    if listed := dnslist.listed(replies):
        e.looked_up(dnslist.text, query, " ".join(replies[:4]))
    return listed


def _words(failure: DnsFailure) -> str:
    """Why a list could not be asked, in Postfix's words."""
    about = f"name={failure.name} type={failure.record}"
    if isinstance(failure, Filtered | FilterFailed):
        return f"Error looking up {about}: {failure.text}"
    return f"Host or domain name not found. Name service error for {about}: {dns_words(failure)}"


async def _refuse_listed(e: Evaluation, query: str, dnslist: DnsList, what: str, kind: str) -> Decision:
    try:
        if not await _listed(e, query, dnslist):
            return DUNNO
    except DnsFailure:
        return DUNNO
    code, enhanced, text = await _reply(e, query, dnslist, what, kind)
    return e.refuse(code, enhanced, text)


async def _reply(e: Evaluation, query: str, dnslist: DnsList, what: str, kind: str) -> tuple[int, str, str]:
    """(code, enhanced code, text) by rbl_reply_maps or default_rbl_reply. What is no `4xx text` or `5xx text` is not said to a
    client: it is put off, and the log has the text."""
    settings = e.settings
    try:
        template = await e.sources.tables.maps(settings.rbl_reply_maps, "rbl_reply_maps").find(dnslist.text)
    except LookupFailure as failure:
        raise TemporaryLookupFailure(what) from failure
    values = {
        "rbl_code": str(settings.maps_rbl_reject_code),
        "rbl_class": kind,
        "rbl_what": what,
        "rbl_domain": dnslist.domain,
        "rbl_reason": await _reason(e, query),
        **_macros(e.facts),
    }
    safe = {name: passed(value, settings.smtpd_expansion_filter) for name, value in values.items()}
    if template is not None and not _all_known(e, template, safe):
        e.warn(f"rbl_reject_reply: bad rbl reply template for domain {dnslist.text}: {template}")
        template = None
    text = fill(template or settings.default_rbl_reply, safe.get)
    found = _REPLY.match(text)
    if found is None:
        e.warn(f"rbl response code configuration error: {text.strip(SPACE)}")
        return 450, "4.7.1", "Service unavailable"
    enhanced, text = split_enhanced(f"{text[0]}.7.1", found[2])
    return int(found[1]), enhanced, text


def _all_known(e: Evaluation, template: str, macros: dict[str, str]) -> bool:
    """Whether every macro whose value `template` wants is one of ours; others may only be asked whether they are set."""
    known = True
    for bare, enclosed, asked_for in _MACRO.findall(template):
        name = bare or enclosed or asked_for
        if name and name not in macros:
            e.warn(f'unknown macro name "{name}" in expansion request')
            known = known and bool(asked_for)
    return known


async def _reason(e: Evaluation, query: str) -> str:
    """What the list says of the entry, on one line."""
    try:
        texts = await e.sources.resolver.txt(query)
    except Filtered as failure:
        e.warn(f"{query}: TXT lookup error: {failure.text}")
        return ""
    except DnsFailure:
        return ""
    return " ".join(spaced_words(texts[0])) if texts else ""


def _macros(facts: Facts) -> dict[str, str]:
    """What a reply template may name besides the list itself (postconf(5), default_rbl_reply)."""
    return {
        "client": facts.client,
        "client_address": facts.client_address,
        "client_name": facts.client_name,
        "reverse_client_name": facts.reverse_client_name,
        "helo_name": facts.helo_name or "",
        "sender": facts.sender or "",
        "recipient": facts.recipient or "",
    }


async def reject_rbl_client(e: Evaluation, dnslist: DnsList) -> Decision:
    address = e.facts.client_address
    return await _refuse_listed(e, f"{reversed_address(address)}.{dnslist.domain}", dnslist, address, "Client host")


async def reject_maps_rbl(e: Evaluation, _: None) -> Decision:
    """The old form: every list of maps_rbl_domains."""
    e.warn('support for restriction "reject_maps_rbl" will be removed from Postfix; use "reject_rbl_client domain-name" instead')
    for domain in elements(e.settings.maps_rbl_domains):
        if (decision := await reject_rbl_client(e, DnsList(domain, domain))) is not DUNNO:
            return decision
    return DUNNO


async def permit_dnswl_client(e: Evaluation, dnslist: DnsList) -> Decision:
    return await _permit_listed(e, f"{reversed_address(e.facts.client_address)}.{dnslist.domain}", dnslist)


async def permit_rhswl_client(e: Evaluation, dnslist: DnsList) -> Decision:
    if e.facts.client_name == "unknown":
        return DUNNO
    return await _permit_listed(e, f"{e.facts.client_name}.{dnslist.domain}", dnslist)


async def _permit_listed(e: Evaluation, query: str, dnslist: DnsList) -> Decision:
    """Never permits what reject_unauth_destination would refuse. A list that does not answer might have permitted."""
    if e.facts.recipient is not None and not await authorized(e, e.facts.recipient):
        return DUNNO
    try:
        if not await _listed(e, query, dnslist):
            return DUNNO
    except DnsFailure:
        text = "Allowlist lookup error -- try again later"
        return e.postpone_reject(450, "4.7.1", f"{subjects.client(e.facts)} rejected: {text}")
    return PERMIT


def _domain_check(name_of: Callable[[Facts], str | None], subject_of: Callable[[Facts], Subject], *, mail: bool) -> Row:
    """reject_rhsbl_*: the domain of `name_of` is looked up; a reply shows the whole of it."""

    async def check(e: Evaluation, dnslist: DnsList) -> Decision:
        what = name_of(e.facts) or ""
        domain = what.rpartition("@")[2]
        if not domain or domain == "unknown" or domain.startswith("[") or (mail and "@" not in what):
            return DUNNO
        return await _refuse_listed(e, f"{domain}.{dnslist.domain}", dnslist, what, subject_of(e.facts).kind)

    return Row(check, LIST)


def _compile(_: Materials, text: str) -> DnsList:
    return parse(text)


LIST = Argument(_compile, "restriction {name} requires domain name argument", refuses=False)

ROWS: Rows = {
    "reject_rbl_client": Row(reject_rbl_client, LIST),
    "reject_rbl": Row(reject_rbl_client, LIST),
    "reject_maps_rbl": Row(reject_maps_rbl),
    "permit_dnswl_client": Row(permit_dnswl_client, LIST),
    "permit_rhswl_client": Row(permit_rhswl_client, LIST),
    "reject_rhsbl_client": _domain_check(lambda facts: facts.client_name, subjects.client, mail=False),
    "reject_rhsbl_reverse_client": _domain_check(lambda facts: facts.reverse_client_name, subjects.reverse_client, mail=False),
    "reject_rhsbl_helo": _domain_check(lambda facts: facts.helo_name, subjects.helo, mail=False),
    "reject_rhsbl_sender": _domain_check(lambda facts: facts.sender, subjects.sender, mail=True),
    "reject_rhsbl_recipient": _domain_check(lambda facts: facts.recipient, subjects.recipient, mail=True),
}
