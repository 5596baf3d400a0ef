"""local_header_rewrite_clients: whose headers are completed."""

import pytest
from tests.support.drive import drive

from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.service.rewriting_clients import rewriting_clients


def rewrites(value: str, address: str, heard: list[str] | None = None) -> bool:
    warn = pytest.fail if heard is None else heard.append
    tables = Tables(warn)
    own = MatchList.addresses("192.0.2.1 [2001:db8::1]", tables, "inet_interfaces", warn)
    networks = MatchList.hosts("198.51.100.0/24", tables, "mynetworks", warn)
    return drive(rewriting_clients(value, tables, own=own, networks=networks)("unknown", address))


@pytest.mark.parametrize(
    ("value", "address", "ours"),
    [
        ("permit_inet_interfaces", "192.0.2.1", True),
        ("permit_inet_interfaces", "2001:db8::1", True),
        ("permit_inet_interfaces", "198.51.100.9", False),
        ("permit_inet_interfaces, permit_mynetworks", "198.51.100.9", True),
        ("inline:{203.0.113.5=x, 203.0.113.6=x}", "203.0.113.6", True),
        ("check_address_map inline:{203.0.113.5=x}", "203.0.113.5", True),
        ("check_address_map cidr:{{203.0.113.0/24 x}}", "203.0.113.5", True),
        ("permit_sasl_authenticated", "203.0.113.5", False),
        ("static:all", "203.0.113.5", True),
        ("", "192.0.2.1", False),
    ],
)
def test_clients(value: str, address: str, ours: bool) -> None:
    assert rewrites(value, address) is ours


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("permit_my_networks", "invalid request: permit_my_networks"),
    ],
)
def test_other_words_are_named_and_name_nobody(word: str, said: str) -> None:
    heard: list[str] = []
    assert not rewrites(word, "198.51.100.9", heard)
    assert heard == [f"parameter local_header_rewrite_clients: {said}"]
