"""The words of a pipe service, and what they may have come to: as a pattern would say, but in one pass."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.service.agent.pipe_grants import Word


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=4), st.text("abc", max_size=12))
def test_as_a_pattern_would_say(fixed: list[str], text: str) -> None:
    pattern = re.compile(".*".join(map(re.escape, fixed)), re.DOTALL)
    assert Word(tuple(fixed), False).may_be(text) == bool(pattern.fullmatch(text))


@pytest.mark.parametrize("text", ["a" * 10_000_000, "x" + "a" * 10_000_000 + "x"])
def test_a_long_word_that_does_not_fit(text: str) -> None:
    assert not Word(("", *["ab"] * 20, ""), False).may_be(text)
