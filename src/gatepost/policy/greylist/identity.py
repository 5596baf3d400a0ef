"""Who answers for a client, besides its address: a domain, so that pools that come again from elsewhere are known again.

A domain answers for a client that SPF lets send in its name, or whose confirmed name lies in it. A policy that lets nearly
everybody pass says nothing: no key comes of `+all`, of a network larger than greylist_identity_ipv4cidr or _ipv6cidr, nor of a
term that asks about the client itself (`exists`, `ptr`).
"""

from collections.abc import Set

from gatepost.identity.spf.check import Finding
from gatepost.identity.spf.port import Result
from gatepost.policy.greylist.attempt import Attempt
from gatepost.policy.greylist.settings import GreylistSettings


def attempt_of(
    settings: GreylistSettings, address: str, client_name: str, sender: str, recipient: str, finding: Finding | None
) -> Attempt:
    """An attempt with the domain that answers for its client, by which it is known if greylist_identity says so; else the report
    tells what that would save. `finding`: what SPF found out, None where it was not asked."""
    domain = sender.rpartition("@")[2].lower().rstrip(".")
    ways = _ways(settings, address, client_name.lower().rstrip("."), domain, finding)
    by_domain = not ways.isdisjoint(settings.greylist_identity)
    return Attempt(address, client_name, sender, recipient, domain if ways else "", by_domain)


def _ways(settings: GreylistSettings, address: str, name: str, domain: str, finding: Finding | None) -> Set[str]:
    """In which ways the domain answers for the client, in words of greylist_identity."""
    ways: set[str] = set()
    if "." in domain.strip("."):
        if _lies_in(name, domain):
            ways.add("name")
        if finding is not None and _vouches(settings, address, finding):
            ways.add("spf")
    return ways


def _lies_in(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _vouches(settings: GreylistSettings, address: str, finding: Finding) -> bool:
    verdict = finding.mail_from
    if verdict is None or verdict.result is not Result.PASS or verdict.open or verdict.prefix is None:
        return False
    widest = settings.greylist_identity_ipv6cidr if ":" in address else settings.greylist_identity_ipv4cidr
    return verdict.prefix >= widest
