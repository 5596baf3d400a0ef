"""The header section, split; only white space before a colon goes, as in Postfix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail import header
from gatepost.mail.header import LINE_LIMIT, Header, cut, is_header, key, split


def test_splits_at_continuations_and_empty_line() -> None:
    data = b"From: a\r\nSubject : one\r\n two\r\n\tthree\r\n\r\nbody: x\r\n"
    section = split(data)
    assert [(h.key, h.raw) for h in section.headers] == [
        ("from", b"From: a\r\n"),
        ("subject", b"Subject: one\r\n two\r\n\tthree\r\n"),
    ]
    assert data[section.end :] == b"\r\nbody: x\r\n"
    assert section.complete
    assert section.headers[1].value == b"one\r\n two\r\n\tthree"


def test_a_line_that_is_no_header_ends_the_section() -> None:
    data = b"Subject: x\r\nnot a header\r\n\r\nmore\r\n"
    section = split(data)
    assert [h.key for h in section.headers] == ["subject"]
    assert data[section.end :] == b"not a header\r\n\r\nmore\r\n"


def test_without_headers() -> None:
    assert split(b"\r\nbody\r\n") == split(b"\r\nbody\r\n")
    assert split(b"\r\nbody\r\n").headers == []
    assert split(b"\r\nbody\r\n").end == 0
    assert split(b"just text\r\n").end == 0


def test_an_unfinished_section_is_not_complete() -> None:
    assert not split(b"From: a\r\nSubj").complete
    assert not split(b"From: a\r\n").complete
    assert split(b"From: a\r\nno header ").complete


def test_names() -> None:
    assert key(b"X-Foo") == "x-foo"
    assert key(b"X-Foo \t") == "x-foo"
    assert key(b"X Foo") == ""
    assert key(b"") == ""
    assert is_header(b"a: b")
    assert not is_header(b"a b: c")


@given(st.lists(st.sampled_from([b"A: x", b" y", b"\tz", b"", b"none", b"B : w:", b":"]), max_size=12))
def test_nothing_is_lost(lines: list[bytes]) -> None:
    data = b"".join(line + b"\r\n" for line in lines)
    section = split(data)
    assert b"".join(h.raw for h in section.headers) == data[: section.end].replace(b"B :", b"B:")


def test_the_name_ends_within_a_line() -> None:
    """A line without a colon in its first 2,048 octets is no header, whatever follows (line_length_limit)."""
    longest = b"x" * (LINE_LIMIT - 1)
    assert [h.key for h in split(longest + b": a\r\n").headers] == [longest.decode()]
    assert split(b"x" * LINE_LIMIT + b": a\r\n").headers == []
    assert split(b"x" * LINE_LIMIT).complete
    assert not split(longest).complete


def test_names_are_not_kept_for_ever() -> None:
    """Neither many nor long ones: what a client invents must not fill the memory."""
    for number in range(5000):
        key(b"X-%d" % number)
        key(b"Y" * 1000 + b"%d" % number)
    assert sum(map(len, header._keys)) < 100_000


@pytest.mark.parametrize(
    ("limit", "first", "folded"),
    [
        *((100, 150, 0), (100, 100, 0), (100, 90, 0), (100, 89, 10), (100, 80, 19), (20, 17, 2), (20, 18, 0)),
        *((105, 93, 11), (105, 94, 0), (109, 97, 11), (109, 98, 0), (1000, 899, 100), (1000, 900, 0)),
    ],
)
def test_a_long_header_is_cut_where_postfix_cuts_it(limit: int, first: int, folded: int) -> None:
    """Seen at Postfix 3.7.11. `first`: octets of the first line, `folded`: those that stay of a folded line behind it."""
    lines = [b"s: " + b"x" * (first - 3), b" " + b"y" * 500]
    kept = [lines[0][:limit], *([lines[1][:folded]] if folded else [])]
    assert cut(Header("s", b"\r\n".join(lines) + b"\r\n"), limit).raw == b"\r\n".join(kept) + b"\r\n"


def test_a_header_within_the_limit_is_left_alone() -> None:
    header = Header("a", b"a: 34567\r\n 234567\r\n 234567\r\n")
    assert cut(header, 100) == header


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"S: " + b"a" * 97 + b"END\r\n", b"S: " + b"a" * 97 + b"END\r\n"),  # a line is whole
        (b"S: " + b"a" * 95 + b"\r\n b\r\n c\r\n", b"S: " + b"a" * 95 + b"\r\n b\r\n"),
        (b"S: " + b"a" * 97 + b"\r\n b\r\n", b"S: " + b"a" * 97 + b"\r\n"),
        (b"S: " + b"a" * 5000 + b"\r\n", b"S: " + b"a" * 2045 + b"\r\n"),  # but what is read at once
    ],
)
def test_checks_see_whole_lines_up_to_the_limit(raw: bytes, kept: bytes) -> None:
    assert header.gathered(header.Header("s", raw), 100).raw == kept
