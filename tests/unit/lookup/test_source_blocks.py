"""The source of a table in blocks: the entries are those of the whole text, wherever it is cut, and plain lines mean what any
line means."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup import source_blocks
from gatepost.lookup.source_blocks import blocks, plain_entries
from gatepost.lookup.table_text import entries

LINES = (
    "a b", "k v w", "#x", " c", "\tc d", "", "  ", "K:\tv", 'a" b', "a\\ b c", "é v", "a\0 b", "a b \r", "a  #b", "a", "x#y z",
    "a b\x0b", '"q r" s', " # y",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(LINES)).map("\n".join)


def whole(text: str, warnings: list[str]) -> list[tuple[int, str, str]]:
    return list(entries("t", text, warnings.append))


@given(TEXTS, st.integers(1, 12), st.booleans())
def test_wherever_it_is_cut(text: str, size: int, ends: bool) -> None:
    text += "\n" * ends
    said: list[str] = []
    expected: list[str] = []
    found: list[tuple[int, str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_blocks, "_BLOCK", size)
        for number, block in blocks(io.BytesIO(text.encode())):
            found += entries("t", block.decode(), said.append, number)
    assert (found, said) == (whole(text, expected), expected)


@given(TEXTS)
def test_plain_lines_mean_what_any_line_means(text: str) -> None:
    found = plain_entries(text.encode() + b"\n")
    said: list[str] = []
    expected = [(key.encode(), value.encode()) for _, key, value in whole(text, said)]
    assert found is None or (found, said) == (expected, [])


@pytest.mark.parametrize("text", ["a b\n", "# x\n\n  \na@b\tc d, e  \r\nx y\n", "k" * 511 + " v\n"])
def test_what_is_plain(text: str) -> None:
    assert plain_entries(text.encode()) == [(key.encode(), value.encode()) for _, key, value in whole(text, [])]


@pytest.mark.parametrize(
    "text", ["k" * 512 + " v\n", "a: b\n", '"a" b\n', "a\\ b\n", " a b\n", "a\n", "é v\n", "a é\n", "a b\0c\n"]
)
def test_what_is_not(text: str) -> None:
    assert plain_entries(text.encode()) is None
