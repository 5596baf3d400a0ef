"""The header section, split but not changed."""

from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.header import is_header, key, split


def test_splits_at_continuations_and_empty_line() -> None:
    data = b"From: a\r\nSubject : one\r\n two\r\n\tthree\r\n\r\nbody: x\r\n"
    section = split(data)
    assert [(h.key, h.raw) for h in section.headers] == [
        ("from", b"From: a\r\n"),
        ("subject", b"Subject : one\r\n two\r\n\tthree\r\n"),
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
    assert b"".join(h.raw for h in section.headers) == data[: section.end]
