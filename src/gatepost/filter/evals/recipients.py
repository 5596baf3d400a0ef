"""Functions of HeaderEval about To and Cc."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from gatepost.filter.port import Eval, Examined

_ALIKE: Final = 5
_SORTED: Final = 7
"""Recipients from which on it is told of them."""
_PREFIX: Final = 2
"""Octets of a local part that make two alike."""


def _recipients(mail: Examined) -> list[bytes]:
    return (mail.headers.get("ToCc:addr") or b"").lower().split(b"\n")


def sorted_recipients(mail: Examined, _: Sequence[str]) -> int:
    """Recipients stand in the order of the alphabet, as in a list of addresses that was bought."""
    found = _recipients(mail)
    return int(len(found) >= _SORTED and found == sorted(found))


def similar_recipients(mail: Examined, arguments: Sequence[str]) -> int:
    """How alike the recipients are lies between two shares: pairs whose local parts begin alike, and pairs whose hosts begin alike
    and are not the same."""
    least, most = arguments
    found = list(dict.fromkeys(_recipients(mail)))
    if len(found) < _ALIKE:
        return 0
    begins = Counter(address[:_PREFIX] for address in found)
    hosts = Counter(address.partition(b"@")[2] for address in found)
    host_begins = Counter(address.partition(b"@")[2][:_PREFIX] for address in found)
    share = (_pairs(begins) + _pairs(host_begins) - _pairs(hosts)) / (len(found) * (len(found) - 1) / 2)
    return int((least == "undef" or share >= float(least)) and (most == "undef" or share < float(most)))


def _pairs(groups: Counter[bytes]) -> int:
    return sum(count * (count - 1) // 2 for count in groups.values())


def check_for_missing_to_header(mail: Examined, _: Sequence[str]) -> int:
    """There is no To."""
    return int(mail.headers.get("To") is None)


EVALS: Final[dict[str, Eval]] = {
    function.__name__: function for function in (sorted_recipients, similar_recipients, check_for_missing_to_header)
}
