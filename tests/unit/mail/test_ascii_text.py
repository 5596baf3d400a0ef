"""Only ASCII has white space, digits and two cases of letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.ascii_text import BLANKS, SPACE, elements, first_word, is_number, spaced_words, upper

# White space, digits and letters to Python, and a word to Postfix.
WORDS = ["\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u2003", "\u2028", "\u3000", "\ufeff", "\udc85", "\0"]


@pytest.mark.parametrize("word", WORDS)
def test_what_python_parts_is_one_word(word: str) -> None:
    assert spaced_words(f" a{word}b\t{word} ") == [f"a{word}b", word]
    assert elements(f"a{word}b, {word}") == [f"a{word}b", word]
    assert first_word(f" {word}a b c ") == (f"{word}a", "b c ")


@pytest.mark.parametrize("character", SPACE)
def test_what_parts_words_and_elements(character: str) -> None:
    assert spaced_words(f"a{character}{character}b{character}") == ["a", "b"]
    assert first_word(f"{character}a{character}b") == ("a", "b")
    assert (elements(f"a{character}b") == ["a", "b"]) is (character in BLANKS)


@pytest.mark.parametrize("text", ["", "\u0661", "\u00b2", "\uff11", "1_0", "+1", " 1", "1\n", "1" * 4301])
def test_no_number(text: str) -> None:
    assert not is_number(text)


def test_what_is_a_number_can_be_read() -> None:
    assert int("9" * 4300) > 0
    assert is_number("9" * 4300)


@pytest.mark.parametrize(
    ("text", "wanted"), [("size=", "SIZE="), ("\u017fize=", "\u017fIZE="), ("ma\u0131l", "MA\u0131L"), ("\ufb01", "\ufb01")]
)
def test_no_letter_becomes_one_of_a_keyword(text: str, wanted: str) -> None:
    assert upper(text) == wanted


@given(st.text("ab \t\n\v\f\r\x1c\xa0,"))
def test_nothing_is_lost_but_what_parts(text: str) -> None:
    assert "".join(spaced_words(text)) == "".join(c for c in text if c not in SPACE)
    assert "".join(elements(text)) == "".join(c for c in text if c not in BLANKS + ",")
    word, rest = first_word(text)
    assert [word] * bool(word) + spaced_words(rest) == spaced_words(text)
