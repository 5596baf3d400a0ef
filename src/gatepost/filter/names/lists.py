"""What rules of DNSEval ask: lists of relays' addresses, and of domains in headers (perldoc Mail::SpamAssassin::Conf, check_rbl).

The end of a set's name says which relays are asked for; nothing is asked about those that are trusted.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.names import subtests
from gatepost.filter.names.asked import Asked
from gatepost.filter.names.hosts import is_address, public, reversed_address
from gatepost.filter.names.questions import Fit, Step, Then, Want
from gatepost.filter.port import Examined, Relay, Relays
from gatepost.filter.rules.ruleset import Rule

_MOST_SUBJECTS: Final = 10
"""Addresses, or domains, of a message that a list is asked for."""
_ADDRESS: Final = re.compile(rb"[^\s<>()\[\]\",;:@]{1,64}@([A-Za-z0-9.-]{1,253})")
_HOST: Final = re.compile(rb"(?<![\w.-])(?:[A-Za-z0-9-]{1,63}\.){1,10}[A-Za-z0-9-]{1,63}(?![\w-])")
_HEADERS: Final = "EnvelopeFrom,Reply-To,Disposition-Notification-To,X-WebmailclientIP,X-Source-IP"

Registered = Callable[[str], str]
"""The registered domain of a host."""


def last_two_labels(host: str) -> str:
    """What a registered domain mostly is, where nobody knows better."""
    return ".".join(host.split(".")[-2:])


class Listed(Struct, frozen=True):
    """A list that is asked about one set of relays, or of what headers name.

    function: of the rules.
    subjects: the end of the set's name; for check_rbl_headers the headers.
    flags: tflags that say which subjects count (`ips_only`, `domains_only`).
    """

    function: str
    zone: str
    record: str
    subjects: str
    wants: tuple[Want, ...]
    flags: tuple[str, ...] = ()


_RECORDS: Final = {"check_rbl_txt": "TXT"}


def lists(rules: Sequence[Rule]) -> tuple[Listed, ...]:
    """The lists that these rules ask, with all that is wanted of them."""
    subs: dict[str, list[Want]] = {}
    for rule in rules:
        if rule.call and rule.call.function == "check_rbl_sub" and len(rule.call.arguments) >= 2:
            name, answer = rule.call.arguments[:2]
            want = subtests.of_list(rule.name, answer)
            subs.setdefault(name, []).extend((want,) if want else ())
    return tuple(_listed(rules, subs))


def _listed(rules: Sequence[Rule], subs: dict[str, list[Want]]) -> Iterator[Listed]:
    for rule in rules:
        call = rule.call
        if call is None or call.function not in _SUBJECTS:
            continue
        if call.function == "check_dns_sender":
            yield Listed(call.function, "", "", "", (Want(rule.name, Fit.ABSENT),))
            continue
        name, zone, answer, headers = (*call.arguments, "", "", "", "")[:4]
        want = subtests.of_list(rule.name, answer)
        if name and zone and want:
            subjects = headers if call.function == "check_rbl_headers" else name.rpartition("-")[2]
            wants = (want, *subs.get(name, ()))
            yield Listed(call.function, zone.strip("."), _RECORDS.get(call.function, "A"), subjects, wants, rule.flags)


def ask(listed: Iterable[Listed], examined: Examined, registered: Registered, asked: Asked) -> None:
    """What these lists are asked about a message."""
    known: dict[tuple[str, str], list[str]] = {}
    for one in listed:
        if one.function == "check_dns_sender":
            _sender_exists(examined, one.wants, asked)
            continue
        key = (one.function, one.subjects)
        if key not in known:
            found = _SUBJECTS[one.function](examined, one.subjects, registered)
            known[key] = list(dict.fromkeys(found))[:_MOST_SUBJECTS]
        for subject in known[key]:
            if one.function == "check_rbl_ns_from":
                asked.add(subject, "NS", then=(Then(Step.ADDRESS, one.zone, one.record, one.wants),))
            elif _counts(subject, one.flags):
                asked.add(f"{reversed_address(subject) or subject}.{one.zone}", one.record, one.wants)


def _counts(subject: str, flags: Sequence[str]) -> bool:
    address = is_address(subject)
    return not ("ips_only" in flags and not address) and not ("domains_only" in flags and address)


def _sender_exists(examined: Examined, wants: tuple[Want, ...], asked: Asked) -> None:
    for host in _hosts(examined, "EnvelopeFrom"):
        asked.add(host, "A", wants)
        asked.add(host, "MX", wants)


def _relays(examined: Examined, subjects: str, registered: Registered) -> Iterator[str]:
    return (relay.ip for relay in _selected(examined.relays, subjects) if public(relay.ip))


def _selected(relays: Relays, subjects: str) -> Sequence[Relay]:
    untrusted = relays.untrusted
    if subjects == "lastexternal":
        return next(([relay] for relay in relays.external if public(relay.ip)), [])
    if subjects == "firsttrusted":
        return untrusted[:1]
    if subjects == "untrusted":
        return untrusted[1:]
    if subjects == "notfirsthop" and len(untrusted) > 1:
        return untrusted[:-1]
    return untrusted


def _hosts(examined: Examined, *names: str) -> Iterator[str]:
    for name in names:
        for found in _ADDRESS.finditer(examined.headers.get(name) or b""):
            yield found.group(1).decode("ascii").lower()


def _from_hosts(examined: Examined, subjects: str, registered: Registered) -> Iterator[str]:
    return _hosts(examined, "From", "EnvelopeFrom")


def _from_domains(examined: Examined, subjects: str, registered: Registered) -> Iterator[str]:
    return map(registered, _hosts(examined, "From", "EnvelopeFrom"))


def _envelope(examined: Examined, subjects: str, registered: Registered) -> Iterator[str]:
    return _hosts(examined, "EnvelopeFrom")


def _received(examined: Examined, subjects: str, registered: Registered) -> Iterator[str]:
    for relay in examined.relays.untrusted:
        yield from (relay.ip,) if public(relay.ip) else ()
        yield from (name.lower() for name in (relay.rdns, relay.helo) if "." in name and not is_address(name.strip("!")))


def _of_headers(examined: Examined, subjects: str, registered: Registered) -> Iterator[str]:
    names = subjects or (examined.option("rbl_headers") or (_HEADERS,))[-1]
    for name in re.split(r"[\s,]+", names)[:_MOST_SUBJECTS]:
        for found in _HOST.finditer((examined.headers.get(name) or b"")[:4096]):
            host = found.group().decode("ascii").lower()
            if not is_address(host) or public(host):
                yield host


_SUBJECTS: Final[dict[str, Callable[[Examined, str, Registered], Iterator[str]]]] = {
    "check_dns_sender": _envelope,
    "check_rbl": _relays,
    "check_rbl_envfrom": _envelope,
    "check_rbl_from_domain": _from_domains,
    "check_rbl_from_host": _from_hosts,
    "check_rbl_headers": _of_headers,
    "check_rbl_ns_from": _from_domains,
    "check_rbl_rcvd": _received,
    "check_rbl_txt": _relays,
}
"""Which hosts or addresses a function asks about."""
