"""Received-SPF and Authentication-Results: a stranger's words in them are quoted, cut, and on one line (RFC 7208 §9.1)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.identity.spf.header import (
    LINE_LIMIT,
    About,
    authentication_results,
    received_spf,
    skipped,
    skipped_results,
)
from gatepost.identity.spf.port import Identity, Result, Verdict

_ATOM = r"[A-Za-z0-9!#$&'*+/=?^_`{|}~%.-]+"
_VALUE = rf'(?:{_ATOM}|"(?:[^"\\]|\\.)*")'
RECEIVED = re.compile(rf"Received-SPF: [A-Z][a-z]+ \([^()]*\) {_ATOM}={_VALUE}(?:; {_ATOM}={_VALUE})*\Z")
RESULTS = re.compile(rf"Authentication-Results: {_VALUE}; spf=[a-z]+ \([^()]*\) smtp\.(?:helo|mailfrom)={_VALUE}\Z")

strange = st.text(max_size=40) | st.text('"\\();\r\n\0 a@.', max_size=400)


def about(helo: str = "h.example", sender: str = "a@b.example", address: str = "192.0.2.1") -> About:
    return About(address, helo, sender, "mx.example.org", "mx.example.org")


def verdict(result: Result, domain: str = "b.example", **more: str) -> Verdict:
    return Verdict(result=result, identity=Identity.MAIL_FROM, domain=domain, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("result", Result)
def test_every_result_has_words(result: Result) -> None:
    assert RECEIVED.match(received_spf(verdict(result), about()))
    assert RESULTS.match(authentication_results(verdict(result), about()))


def test_a_long_sender_is_told_whole_where_there_is_room() -> None:
    sender = f"{'x' * 64}@{'.'.join(['y' * 60] * 3)}"
    assert f'"{sender}"' in received_spf(verdict(Result.PASS), about(sender=sender))
    assert len(received_spf(verdict(Result.PASS, '"' * 999, term='"' * 999), about('"' * 999, '"' * 999))) <= LINE_LIMIT


def test_an_address_is_quoted() -> None:
    line = received_spf(verdict(Result.PASS, term="mx"), about(sender='a"b\\c@d'))
    assert r'envelope-from="a\"b\\c@d"' in line
    assert 'client-ip="2001:db8::1"' in received_spf(verdict(Result.PASS), about(address="2001:db8::1"))


@given(strange, strange, strange, strange, st.sampled_from(Result))
def test_nothing_strange_gets_out(helo: str, sender: str, domain: str, term: str, result: Result) -> None:
    told = about(helo, sender)
    what = verdict(result, domain, term=term, problem=term)
    for line in (
        received_spf(what, told), authentication_results(what, told), skipped("whitelisted", told), skipped_results("x", told),
    ):  # fmt: skip
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= LINE_LIMIT
    assert RECEIVED.match(received_spf(what, told))
    assert RESULTS.match(authentication_results(what, told))
