"""White space, digits and letter case as Postfix knows them: those of ASCII.

Python's own `split`, `strip`, `isdigit` and `upper` know many more, by which text that Postfix takes as a word would fall apart,
vanish, or turn into a keyword.
"""

import re

SPACE = " \t\n\v\f\r"
"""What parts words in tables, headers and commands (isspace(3) in the C locale)."""

BLANKS = " \t\r\n"
"""What parts the words of parameters and of master.cf."""

SEPARATORS = "," + BLANKS
"""What parts the elements of a list of main.cf (postconf(5))."""

_WORD = re.compile(rf"[^{SPACE}]+")
_SPACES = re.compile(rf"[{SPACE}]+")
_ELEMENT = re.compile(rf"[^{SEPARATORS}]+")
_UPPER = {ord(letter): letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"}


def spaced_words(text: str) -> list[str]:
    """What stands between white space."""
    return text.split() if text.isascii() and text.isprintable() else _WORD.findall(text)


def first_word(text: str) -> tuple[str, str]:
    """The first word, and what follows the white space behind it."""
    if text.isascii() and text.isprintable():
        parts = text.split(None, 1)
    else:
        parts = _SPACES.split(text.lstrip(SPACE), maxsplit=1)
    return (parts[0], parts[1]) if len(parts) > 1 else (parts[0] if parts else "", "")


def elements(text: str) -> list[str]:
    """The elements of a list of main.cf; braces hold nothing together here (config/values.py)."""
    return _ELEMENT.findall(text)


_MOST_DIGITS = 4300
"""Digits that int() reads; of more it makes a ValueError (sys.int_info.default_max_str_digits)."""


def is_number(text: str) -> bool:
    """Whether `text` is decimal digits and nothing else, and int() can read it."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def upper(text: str) -> str:
    """`text` with the letters of ASCII in upper case: no other letter becomes one of a keyword."""
    return text.upper() if text.isascii() else text.translate(_UPPER)
