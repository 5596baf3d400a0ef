"""The tokens of a line are those that SpamAssassin 4.0.1 makes of it: what stands here it has been asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.bayes.words import Region, words

BODY = [
    (b"Good day! Look at the Assortment", [b"good", b"day", b"day!", b"Assortment", b"assortment"]),
    (b"today. Then it's you're http", [b"today", b"then"]),
    (b"to help@mail.example.com", [b"U*help", b"D*mail.example.com", b"D*example.com", b"D*com", b"sk:help@ma", b"sk:helpma"]),
    (b"www.shop.example", [b"UD:www.shop.example", b"UD:shop.example", b"UD:example", b"sk:www.sho", b"sk:wwwsho"]),
    (b"wait...what", [b"wait", b"what"]),
    ("你好你好你好".encode(), [b"u8:" + "你".encode(), b"u8:" + "好".encode()]),
    ("in Küchenmaschinen".encode(), [b"sk:" + "Küchenm".encode(), b"sk:Kchenm", b"sk:" + "küchenm".encode(), b"sk:kchenm"]),
    (b"don\x92t", [b"don"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), BODY)
def test_words_of_the_body(line: bytes, expected: list[bytes]) -> None:
    assert set(words(line, Region.BODY)) == set(expected)


def test_what_is_hidden_says_so() -> None:
    assert set(words(b"Tumbling", Region.HIDDEN)) == {b"I*:tumbling"}
    assert set(words(b"SECRET", Region.HIDDEN)) == {b"I*:SECRET", b"I*:secret"}


def test_long_words_of_a_uri_stay_whole() -> None:
    assert b"averylongpathinaurithatislong" in set(words(b"http://x.example/averylongpathinaurithatislong", Region.URI))


@given(st.binary(max_size=300), st.sampled_from(Region))
def test_whatever_comes_tokens_are_bounded(line: bytes, region: Region) -> None:
    assert sum(len(word) for word in words(line, region)) <= 200 * (len(line) + 1)


def test_a_name_of_many_labels_has_few_tokens() -> None:
    assert len(list(words(b"a." * 5000 + b"com", Region.BODY))) < 50
