"""Who answers for a client, besides its address: a domain, so that pools that come again from elsewhere are known again.

A domain answers for a client that SPF lets send in its name, or whose confirmed name lies in it. A policy that lets nearly
everybody pass says nothing: no key comes of `+all`, of a network larger than greylist_identity_ipv4cidr or _ipv6cidr, nor of a
term that asks about the client itself (`exists`, `ptr`).
"""

from gatepost.identity.spf.check import Finding
from gatepost.identity.spf.port import Result
from gatepost.policy.greylist.settings import GreylistSettings


def answering_domain(settings: GreylistSettings, address: str, client_name: str, sender: str, finding: Finding | None) -> str:
    """The domain in lower case, empty for none. `finding`: what SPF found out, None where it was not asked."""
    domain = sender.rpartition("@")[2].lower().rstrip(".")
    if "." not in domain.strip("."):
        return ""
    if "name" in settings.greylist_identity and _lies_in(client_name.lower().rstrip("."), domain):
        return domain
    if "spf" in settings.greylist_identity and finding is not None and _vouches(settings, address, finding):
        return domain
    return ""


def _lies_in(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _vouches(settings: GreylistSettings, address: str, finding: Finding) -> bool:
    verdict = finding.mail_from
    if verdict is None or verdict.result is not Result.PASS or verdict.open or verdict.prefix is None:
        return False
    widest = settings.greylist_identity_ipv6cidr if ":" in address else settings.greylist_identity_ipv4cidr
    return verdict.prefix >= widest
