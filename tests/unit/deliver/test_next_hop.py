"""Next hops as they are written."""

import pytest

from gatepost.deliver.next_hop import BadDestination, Destination, parse, parse_all

PORTS = {"smtp": 25, "submission": 587}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.test", Destination("example.test", "example.test", 25, exchangers=True)),
        ("example.test:587", Destination("example.test:587", "example.test", 587, exchangers=True)),
        ("[mx.test]", Destination("[mx.test]", "mx.test", 25)),
        ("[mx.test]:submission", Destination("[mx.test]:submission", "mx.test", 587)),
        ("[192.0.2.1]:2526", Destination("[192.0.2.1]:2526", "192.0.2.1", 2526)),
        ("[2001:db8::1]:26", Destination("[2001:db8::1]:26", "2001:db8::1", 26)),
        ("[ipv6:2001:db8::1]", Destination("[ipv6:2001:db8::1]", "2001:db8::1", 25)),
        ("inet:192.0.2.1:24", Destination("inet:192.0.2.1:24", "192.0.2.1", 24)),
        ("unix:private/lmtp", Destination("unix:private/lmtp", path="private/lmtp")),
    ],
)
def test_destinations(text: str, expected: Destination) -> None:
    assert parse(text, "smtp", PORTS, exchangers=True) == expected


@pytest.mark.parametrize("text", ["", "[]", "[x", "[x]y", ":25", "x:nosuchservice"])
def test_bad_destinations(text: str) -> None:
    with pytest.raises(BadDestination):
        parse_all(text, "smtp", PORTS, exchangers=True)


def test_several() -> None:
    assert [site.host for site in parse_all("a.test, [b.test]:26 c.test", "25", PORTS, exchangers=True)] == [
        "a.test",
        "b.test",
        "c.test",
    ]
