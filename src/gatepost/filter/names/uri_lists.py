"""What rules of URIDNSBL ask about the hosts of URIs (perldoc Mail::SpamAssassin::Plugin::URIDNSBL)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.names import subtests
from gatepost.filter.names.asked import Asked
from gatepost.filter.names.hosts import is_address, reversed_address
from gatepost.filter.names.questions import Step, Then, Want
from gatepost.filter.port import Examined, Uri
from gatepost.filter.rules.ruleset import Lookup, Rule

_MOST_DOMAINS: Final = 20
_WORTH: Final = ("a", "form", "img", "parsed", "unlinked", "domainkeys")
"""Where a URI was found, the kind that is asked for first at the beginning."""
_OF_SERVERS: Final = {
    "urinsrhsbl": Step.DOMAIN,
    "urinsrhssub": Step.DOMAIN,
    "urifullnsrhsbl": Step.HOST,
    "urifullnsrhssub": Step.HOST,
}


class UriList(Struct, frozen=True):
    """A list, and all rules that ask it in the same way.

    how: `host` or `domain`: the name itself is asked for; `a`: the addresses of the host; `ns`: the name servers of the domain.
    step: what of the answer to `a` and `ns` is asked for.
    flags: `ips_only`, `domains_only` or empty.
    """

    how: str
    zone: str
    record: str
    step: Step
    flags: str
    wants: tuple[Want, ...]


def uri_lists(rules: Sequence[Rule], lookups: Mapping[str, Lookup]) -> tuple[UriList, ...]:
    """The lists that rules of `check_uridnsbl` ask."""
    wants: dict[tuple[str, str, str, Step, str], list[Want]] = {}
    for rule in rules:
        if rule.call is None or rule.call.function != "check_uridnsbl" or not rule.call.arguments:
            continue
        lookup = lookups.get(rule.call.arguments[0])
        want = lookup and (subtests.numeric(rule.name, lookup.answer) if lookup.answer else Want(rule.name))
        if lookup and want:
            for how in _ways(lookup.how, rule.flags):
                limit = next((flag for flag in ("ips_only", "domains_only") if flag in rule.flags), "")
                key = (how, lookup.zone, lookup.record, _OF_SERVERS.get(lookup.how, Step.ADDRESS), limit)
                wants.setdefault(key, []).append(want)
    return tuple(UriList(*key, tuple(found)) for key, found in wants.items())


def _ways(how: str, flags: Sequence[str]) -> Iterable[str]:
    if how in ("urirhsbl", "urirhssub"):
        return ("host" if "notrim" in flags else "domain",)
    if how in _OF_SERVERS:
        return ("ns",)
    return [flag for flag in ("a", "ns") if flag in flags] or ("ns",)


def ask(lists: Iterable[UriList], examined: Examined, asked: Asked) -> None:
    """What these lists are asked about a message."""
    lists = tuple(lists)
    if not lists or "1" in examined.option("skip_uribl_checks")[-1:]:
        return
    for domain, hosts in _domains(examined).items():
        for one in lists:
            for host in hosts:
                _ask(one, host, domain, asked)


def _ask(one: UriList, host: str, domain: str, asked: Asked) -> None:
    address = is_address(host)
    if (one.flags == "ips_only" and not address) or (one.flags == "domains_only" and address):
        return
    if one.how in ("host", "domain"):
        name = reversed_address(host) if address else host if one.how == "host" else domain
        asked.add(f"{name}.{one.zone}", one.record, one.wants)
    elif not address:
        name, record = (host, "A") if one.how == "a" else (domain, "NS")
        asked.add(name, record, then=(Then(one.step, one.zone, one.record, one.wants),))


def _domains(examined: Examined) -> dict[str, list[str]]:
    """The domains that are asked for, each with its hosts, at most `uridnsbl_max_domains`; those of links first."""
    skipped = {word.lower() for line in examined.option("uridnsbl_skip_domain") for word in line.split()}
    no_mail = (examined.option("uridnsbl_skip_mailto") or ("1",))[-1] != "0"
    most = examined.option("uridnsbl_max_domains")
    limit = int(most[-1]) if most and most[-1].isdigit() else _MOST_DOMAINS
    found: dict[str, dict[str, None]] = {}
    for uri in sorted(examined.text.uris, key=_worth):
        if no_mail and uri.raw[:7].lower() == b"mailto:":
            continue
        for host, domain in _hosts(uri):
            if host in skipped or domain in skipped:
                continue
            if domain in found or len(found) < limit:
                hosts = found.setdefault(domain, {})
                if len(hosts) < limit:
                    hosts[host] = None
    return {domain: list(hosts) for domain, hosts in found.items()}


def _worth(uri: Uri) -> int:
    return min((_WORTH.index(kind) for kind in uri.kinds if kind in _WORTH), default=len(_WORTH))


def _hosts(uri: Uri) -> Iterable[tuple[str, str]]:
    for host, domain in uri.hosts.items():
        yield host.decode("utf-8", "replace").lower(), domain.decode("utf-8", "replace").lower()
