"""What rule files and local.cf say of Bayes."""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from gatepost.filter.port import Examined

SOURCES: Final = ("header", "visible", "invisible", "uri")
"""What tokens are made of where nothing else is said (bayes_token_sources)."""


class Options(Struct, frozen=True):
    """Names are those of SpamAssassin's settings (Mail::SpamAssassin::Conf(3pm)).

    use_bayes: whether there is any of it; use_bayes_rules: whether it judges.
    min_ham_num, min_spam_num: messages that must have been learned before it judges.
    use_hapaxes: whether what was in one message only counts.
    token_sources: what tokens are made of; ignore_header: headers left out, in lower case.
    ignore_from, ignore_to: addresses, with * and ?, whose mail is neither judged nor learned, in lower case.
    stop_words: whether words that say nothing are left out.
    """

    use_bayes: bool = True
    use_bayes_rules: bool = True
    min_ham_num: int = 200
    min_spam_num: int = 200
    use_hapaxes: bool = True
    token_sources: frozenset[str] = frozenset(SOURCES)
    ignore_header: frozenset[bytes] = frozenset()
    ignore_from: tuple[str, ...] = ()
    ignore_to: tuple[str, ...] = ()
    stop_words: bool = True


def options(examined: Examined) -> Options:
    """Those in force for a message."""
    values = {name: examined.option(name) for name in _READ}
    return _options(tuple(values.values()))


_READ: Final = (
    "use_bayes", "use_bayes_rules", "bayes_min_ham_num", "bayes_min_spam_num", "bayes_use_hapaxes", "bayes_token_sources",
    "bayes_ignore_header", "bayes_ignore_from", "bayes_ignore_to", "bayes_stopword_languages",
)  # fmt: skip


@lru_cache(maxsize=8)
def _options(values: tuple[tuple[str, ...], ...]) -> Options:
    said = dict(zip(_READ, values, strict=True))
    return Options(
        use_bayes=_number(said["use_bayes"], 1) != 0,
        use_bayes_rules=_number(said["use_bayes_rules"], 1) != 0,
        min_ham_num=_number(said["bayes_min_ham_num"], 200),
        min_spam_num=_number(said["bayes_min_spam_num"], 200),
        use_hapaxes=_number(said["bayes_use_hapaxes"], 1) != 0,
        token_sources=_sources(said["bayes_token_sources"]),
        ignore_header=frozenset(word.lower().encode() for word in _words(said["bayes_ignore_header"])),
        ignore_from=tuple(word.lower() for word in _words(said["bayes_ignore_from"])),
        ignore_to=tuple(word.lower() for word in _words(said["bayes_ignore_to"])),
        stop_words=said["bayes_stopword_languages"][-1:] != ("disable",),
    )


def _words(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in value.split()]


def _number(values: tuple[str, ...], default: int) -> int:
    last = values[-1].strip() if values else ""
    return int(last) if last.isascii() and last.isdigit() and len(last) < 10 else default


def _sources(values: tuple[str, ...]) -> frozenset[str]:
    """Words are followed one by one: `all` and `none` set, `noX` takes away."""
    found = set(SOURCES)
    for position, word in enumerate(values[-1].lower().split() if values else ()):
        if word in ("none", "noall"):
            found = set()
        elif word == "all":
            found = {*SOURCES, "mimepart"}
        elif word.startswith("no"):
            found.discard(word[2:])
        else:
            found = {word} if position == 0 else found | {word}
    return frozenset(found)
