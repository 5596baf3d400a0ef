"""Functions of RelayEval: what the hops of a message say."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from gatepost.filter.evals.senders import known_registries
from gatepost.filter.port import Eval, Examined, Relay
from gatepost.filter.relays.networks import address, is_private

_WRITTEN_IP: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3})")
_HOST: Final = re.compile(r"\w+(?:[\w.-]+\.)+\w+", re.ASCII)
_PROVIDER: Final = re.compile(
    r"(?:^|\.)(?:aol|compuserve|cs|excite|hotmail|localhost|lycos|msn|netscape|prodigy|yahoo)\.com", re.IGNORECASE
)


def check_all_trusted(mail: Examined, _: Sequence[str]) -> int:
    """All hops are of hosts that are trusted, and there is one."""
    relays = mail.relays
    return int(bool(relays.trusted) and not relays.untrusted and not relays.unparsed)


def check_no_relays(mail: Examined, _: Sequence[str]) -> int:
    """There is no hop."""
    relays = mail.relays
    return int(not relays.trusted and not relays.untrusted and not relays.unparsed)


def check_relays_unparseable(mail: Examined, _: Sequence[str]) -> int:
    """How many Received lines could not be read."""
    return mail.relays.unparsed


def helo_ip_mismatch(mail: Examined, _: Sequence[str]) -> int:
    """An untrusted host said an address for its name, and not even one of its network."""
    return int(any(_strange_address(relay) for relay in mail.relays.untrusted))


def _strange_address(relay: Relay) -> bool:
    match = _WRITTEN_IP.fullmatch(relay.helo)
    if not match or address(match[1]) is None or is_private(relay.ip) or is_private(match[1]):
        return False
    return _network(relay.ip) != _network(match[1])


def _network(ip: str) -> str:
    return ip.rpartition(".")[0]


def check_for_numeric_helo(mail: Examined, _: Sequence[str]) -> int:
    """An untrusted host said an address that is not private for its name."""
    found = (_WRITTEN_IP.fullmatch(relay.helo) for relay in mail.relays.untrusted)
    return int(any(match and not is_private(match[1]) for match in found))


def check_for_no_rdns_dotcom_helo(mail: Examined, _: Sequence[str]) -> int:
    """The host that a message came from first said that it is of a large provider, and has no name."""
    return int(any(relay.nameless and _PROVIDER.search(relay.helo) for relay in mail.relays.untrusted[-1:]))


def check_for_sender_no_reverse(mail: Examined, _: Sequence[str]) -> int:
    """The host that a message came from first has no name."""
    return int(any(relay.nameless and not is_private(relay.ip) for relay in mail.relays.untrusted[-1:]))


def check_for_from_domain_in_received_headers(mail: Examined, arguments: Sequence[str]) -> int:
    """From is of a domain, and a host of it was passed (`true`) or none was (`false`)."""
    domain, passed = arguments[0].lower(), (arguments[1:] or ("true",))[0] == "true"
    if (mail.headers.get("From:addr:domain") or b"").decode("latin-1") != domain:
        return 0
    names = (name.lower() for relay in mail.relays.untrusted for name in (relay.rdns, relay.by))
    return int(any(name == domain or name.endswith("." + domain) for name in names) is passed)


def check_for_forged_received_ip_helo(mail: Examined, _: Sequence[str]) -> int:
    """An untrusted host said an address for its name that is of another network."""
    return helo_ip_mismatch(mail, ())


def check_for_illegal_ip(_mail: Examined, _: Sequence[str]) -> int:
    """Nothing any more, as in SpamAssassin: all networks are given out."""
    return 0


def check_for_forged_received_trail(mail: Examined, _: Sequence[str]) -> int:
    """More than once a host that handed on the message is another than the one that tells of the hop before."""
    return int(sum(_mismatches(mail)) > 1)


def _mismatches(mail: Examined) -> Iterator[bool]:
    known = known_registries(mail)

    def domain(name: str) -> str:
        return known.registered(name.encode("latin-1", "replace")).decode("latin-1") if _HOST.fullmatch(name) else ""

    for later, earlier in pairwise(mail.relays.untrusted):
        by, rdns = domain(earlier.by), domain(later.rdns)
        yield bool(by and rdns and by != rdns and rdns != "localhost.localdomain")


EVALS: Final[dict[str, Eval]] = {
    function.__name__: function
    for function in (
        check_all_trusted,
        check_no_relays,
        check_relays_unparseable,
        helo_ip_mismatch,
        check_for_numeric_helo,
        check_for_no_rdns_dotcom_helo,
        check_for_forged_received_trail,
        check_for_sender_no_reverse,
        check_for_from_domain_in_received_headers,
        check_for_forged_received_ip_helo,
        check_for_illegal_ip,
    )
}
