"""Logical lines and settings of main.cf, as Postfix 3.7 reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.syntax import logical_lines, parse_main


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("mydomain = a b\n", {"mydomain": "a b"}),
        ("mydomain=\n", {"mydomain": ""}),
        ("mydomain == a\n", {"mydomain": "= a"}),
        ("mydestination = a\n\n# c\n  b\n c\n\t# d\n e\n", {"mydestination": "a  b c e"}),
        ("mydestination = a\r\n b\r\n", {"mydestination": "a b"}),
        ("a = 1\n#b = 2\n   # c = 3\nd = 4", {"a": "1", "d": "4"}),
        ("mydomain = a # b\n", {"mydomain": "a # b"}),
        ("a-b = x\n", {"a-b": "x"}),
        ("", {}),
    ],
)
def test_settings(text: str, settings: dict[str, str]) -> None:
    read = parse_main(text, "main.cf")
    assert {name: setting.value for name, setting in read.settings.items()} == settings
    assert not read.faults


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("a = 1\nthis is wrong\n", 2, "missing '=' after attribute name: \"this is wrong\""),
        ("\n=x\n", 2, 'missing attribute name: "=x"'),
        ("my host = x\n", 1, "missing '=' after attribute name: \"my host = x\""),
    ],
)
def test_fault_has_its_line(text: str, line: int, complaint: str) -> None:
    (fault,) = parse_main(text, "main.cf").faults
    assert (fault.line, fault.text) == (line, complaint)
    assert fault.remedy


def test_all_faults_are_told_at_once() -> None:
    assert len(parse_main("one\ntwo\nthree = 3\nfour\n", "main.cf").faults) == 3


def test_later_setting_counts_and_is_told() -> None:
    read = parse_main("a = 1\nb = 2\na = 3\n", "main.cf")
    assert read.settings["a"].value == "3"
    assert [(fault.line, fault.text) for fault in read.warnings] == [(3, "overriding earlier entry: a=1")]


def test_same_setting_again_is_not_told() -> None:
    assert not parse_main("a = 1\na = 1\n", "main.cf").warnings


def test_first_line_must_not_be_indented() -> None:
    read = parse_main("  myhostname = x.test\n", "main.cf")
    assert not read.settings
    assert read.warnings[0].text == 'logical line must not start with whitespace: "  myhostname = x.test"'


@given(st.text(alphabet="ab =#\n\t \r", max_size=80))
def test_lines_cover_the_file_in_order(text: str) -> None:
    last = 0
    for line in logical_lines(text):
        assert last < line.first <= line.last
        last = line.last
    assert last <= text.count("\n") + 1
