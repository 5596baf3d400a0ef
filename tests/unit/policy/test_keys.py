"""Which keys access(5) tables are asked for, and in which order."""

import pytest

from gatepost.policy import keys


@pytest.mark.parametrize(
    ("name", "dotless", "expected"),
    [
        ("host.client.test", True, ["host.client.test", "client.test", "test"]),
        ("host.client.test", False, ["host.client.test", ".client.test", ".test"]),
        ("192.0.2.1", True, ["192.0.2.1"]),
        ("[192.0.2.1]", False, ["[192.0.2.1]"]),
        ("ends.with.", True, ["ends.with.", "with."]),
        ("unknown", True, ["unknown"]),
    ],
)
def test_domains(name: str, dotless: bool, expected: list[str]) -> None:
    assert list(keys.domains(name, dotless_parents=dotless)) == expected


def test_networks() -> None:
    assert list(keys.networks("192.0.2.1")) == ["192.0.2.1", "192.0.2", "192.0", "192"]
    assert list(keys.networks("2001:db8::1")) == ["2001:db8::1", "2001:db8:", "2001:db8", "2001"]


def test_mail_addresses() -> None:
    assert list(keys.mail_addresses("a+b@x.test", "+", dotless_parents=True)) == [
        "a+b@x.test", "a@x.test", "x.test", "test", "a+b@", "a@",
    ]  # fmt: skip
    assert next(iter(keys.mail_addresses("a b@x.test", "", dotless_parents=True))) == '"a b"@x.test'
