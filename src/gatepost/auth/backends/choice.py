"""smtpd_auth_backends: the words, and what each of them names."""

from typing import Final

from msgspec import Struct

PLAIN_WORDS: Final = frozenset(("saslauthd", "pam", "dovecot"))
NAMING_WORDS: Final = frozenset(("ldap", "file", "sql", "oauth"))
PATHS: Final = frozenset(("file", "oauth"))


class Backend(Struct, frozen=True):
    """One word. `name`: what stands behind its colon."""

    kind: str
    name: str = ""

    @property
    def word(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


class WrongWord(ValueError):
    """A word that names no back end. The text says what to write."""


def backends(text: str) -> tuple[Backend, ...]:
    """The back ends that a value names, in order. Raises WrongWord."""
    return tuple(_backend(word) for word in words(text))


def words(text: str) -> tuple[str, ...]:
    """The words of a value, each once."""
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def _backend(word: str) -> Backend:
    kind, colon, name = word.partition(":")
    if kind in PLAIN_WORDS and not colon:
        return Backend(kind)
    if kind in NAMING_WORDS and name:
        if kind in PATHS and not name.startswith("/"):
            raise WrongWord(f"{word}: a full pathname is needed")
        return Backend(kind, name)
    raise WrongWord(f"unknown back end {word}: write saslauthd, pam, ldap:NAME, dovecot, file:PATH, sql:PATH or oauth:PATH")
