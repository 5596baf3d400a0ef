"""known_tcp_ports."""

import pytest

from gatepost.config.parameters import PARAMETERS
from gatepost.config.ports import known_ports, malformed, port_number

DEFAULT = PARAMETERS["known_tcp_ports"].default


def test_by_default() -> None:
    assert known_ports(DEFAULT) == {"lmtp": 24, "smtp": 25, "smtps": 465, "submissions": 465, "submission": 587}
    assert malformed(DEFAULT) == []


def test_malformed() -> None:
    parameter = "a=1, b=x c d=70000 =5 e=f=2"
    assert known_ports(parameter) == {"a": 1, "e": 2, "f": 2}
    assert malformed(parameter) == ["b=x", "c", "d=70000", "=5"]


@pytest.mark.parametrize(("word", "port"), [("25", 25), ("smtps", 465), ("mine", 7)])
def test_a_number_or_a_name(word: str, port: int) -> None:
    assert port_number(word, {**known_ports(DEFAULT), "mine": 7}) == port


@pytest.mark.parametrize("word", ["", "nosuchservice", "70000", "-1", "1" * 5000])
def test_neither(word: str) -> None:
    with pytest.raises(ValueError, match="unknown service"):
        port_number(word, {})
