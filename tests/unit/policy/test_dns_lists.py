"""How a DNS list is configured, and what of its replies counts."""

import pytest

from gatepost.policy.restrictions.dnsbl import parse, reversed_address


@pytest.mark.parametrize(
    ("text", "reply", "listed"),
    [
        ("bl.test", "127.0.0.2", True),
        ("bl.test=127.0.0.4", "127.0.0.4", True),
        ("bl.test=127.0.0.4", "127.0.0.2", False),
        ("bl.test=127.0.0.[2..4]", "127.0.0.3", True),
        ("bl.test=127.0.0.[1;4;9..11]", "127.0.0.10", True),
        ("bl.test=127.0.0.[1;4;9..11]", "127.0.0.5", False),
        ("bl.test=127.0.[1..255].[1..255]", "127.0.0.2", False),
    ],
)
def test_pattern(text: str, reply: str, listed: bool) -> None:
    assert parse(text).listed((reply,)) is listed


@pytest.mark.parametrize("text", ["", "=127.0.0.1", "bl.test=", "bl.test=127.0.0", "bl.test=127.0.0.[", "bl.test=127.0.0.256"])
def test_bad_form(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_question() -> None:
    assert reversed_address("192.0.2.1") == "1.2.0.192"
    assert reversed_address("::1") == "1" + ".0" * 31
