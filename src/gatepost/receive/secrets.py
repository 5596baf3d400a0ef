"""What others may read of a client's lines: no log, transcript or notice shows a password (RFC 4954)."""

from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

from gatepost.mail.ascii_text import first_word, spaced_words, upper
from gatepost.proto.sasl.mechanisms import MECHANISMS
from gatepost.proto.smtp.commands import ServerDialect, Verb

MASKED: Final = "********"
"""In place of what only the client and we may know."""


class Secrets:
    """Follows the commands of one session. A line with a secret is one of a verb that has any (AUTH), or what comes after such a
    one and is no command: a response that was asked for, or that a client sends though AUTH was refused. `expected`: one may
    come."""

    __slots__ = ("_verbs", "expected")

    def __init__(self, dialect: ServerDialect) -> None:
        self._verbs = dialect.verbs
        self.expected = False

    def heard(self, verb: Verb | None) -> None:
        """A command came; None: it is none that we know."""
        if verb is not None:
            self.expected = verb.shown_words is not None

    def shown(self, line: str) -> str:
        """A line as others may read it."""
        verb = self._verb(line)
        if verb is None:
            return MASKED if self.expected and line != "*" else line  # which cancels (RFC 4954 §4)
        return line if verb.shown_words is None else _masked(line, verb.shown_words)

    def all_shown(self, text: str) -> str:
        """The same for lines that are still to come, each after those before it; the first one may end within."""
        ahead = Secrets.__new__(Secrets)
        ahead._verbs, ahead.expected = self._verbs, self.expected
        shown = []
        for line in text.split("\n"):
            content, end = line.removesuffix("\r"), line[len(line.removesuffix("\r")) :]
            shown.append((ahead.shown(content) if content else "") + end)
            ahead.heard(ahead._verb(content))
        return "\n".join(shown)

    def _verb(self, line: str) -> Verb | None:
        return self._verbs.get(upper(first_word(line)[0]))


def _masked(line: str, shown_words: int) -> str:
    """A line of which others may read so many words: `AUTH PLAIN ********`."""
    verb, *words = spaced_words(line)
    names = [mechanism_shown(word) for word in words[: shown_words - 1]]
    if names == words:
        return line
    return " ".join([verb, *names, *([MASKED] if len(words) > len(names) and MASKED not in names else [])])


def mechanism_shown(word: str) -> str:
    """What stands in the place of a mechanism's name, as others may read it: a secret may stand there (`AUTH PLAIN=AGEAYg==`, and a
    response alone), which in base64 has upper and lower case. Those that we know are shown however they are written: who
    reads the log for guessers (fail2ban) has to find them."""
    is_name = len(word) <= _LONGEST_NAME and any(letters.issuperset(word) for letters in _LETTERS)
    return word if is_name or upper(word) in MECHANISMS else MASKED


_LONGEST_NAME: Final = 20
_LETTERS: Final = tuple(frozenset(letters + digits + "-_") for letters in (ascii_uppercase, ascii_lowercase))
"""Of names of mechanisms (RFC 4422 §3.1), and the same in lower case."""
