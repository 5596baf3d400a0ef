"""The interface addresses of this host, beside what the kernel lists."""

import ipaddress
from pathlib import Path

import ifaddr
import pytest

from gatepost.config import interfaces


def test_as_the_system_has_them() -> None:
    lines = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    wanted = {ipaddress.IPv6Interface((bytes.fromhex(address), int(bits, 16))) for address, _, bits, *_ in lines}
    found = interfaces.own_interfaces()
    assert {one for one in found if one.version == 6} == wanted
    assert ipaddress.IPv4Interface("127.0.0.1/8") in found
    assert [one.version for one in found] == sorted(one.version for one in found)


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(ifaddr, "get_adapters", fails)
    assert interfaces.own_interfaces.__wrapped__() == ()


def test_a_scope_is_no_part_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    link = ifaddr.Adapter("eth0", "eth0", [ifaddr.IP(("fe80::1%eth0", 0, 2), 64, "eth0"), ifaddr.IP("192.0.2.1", 31, "eth0")])
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [link])
    assert [str(one) for one in interfaces.own_interfaces.__wrapped__()] == ["192.0.2.1/31", "fe80::1/64"]
