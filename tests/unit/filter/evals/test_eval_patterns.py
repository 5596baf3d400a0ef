"""Patterns of addresses."""

import fnmatch

from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.evals.patterns import globs


@given(st.text("ab*?", min_size=1, max_size=8), st.text("ab", max_size=8))
def test_a_pattern_fits_what_fnmatch_says(pattern: str, text: str) -> None:
    assert (globs((pattern,)).fullmatch(text.encode()) is not None) == fnmatch.fnmatchcase(text, pattern)


def test_one_of_several_in_any_case_and_none_of_none() -> None:
    assert globs(("*@x.example", "joe@*")).fullmatch(b"Joe@y.example")
    assert not globs(()).fullmatch(b"")
