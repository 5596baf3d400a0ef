"""What Bayes says of the message at hand."""

import re
from fnmatch import translate
from functools import lru_cache

from gatepost.filter.bayes.combining import probability
from gatepost.filter.bayes.lesson import Lesson, packed
from gatepost.filter.bayes.options import Options, options
from gatepost.filter.bayes.port import Memory, Opinion
from gatepost.filter.bayes.tokens import domain_tokens, tokens
from gatepost.filter.port import Examined
from gatepost.filter.teaching import message_key


def opinion(examined: Examined, memory: Memory | None) -> Opinion:
    """The probability that a message is spam, and what there is to learn from it. `memory`: what has been learned."""
    chosen = options(examined)
    if not chosen.use_bayes or _ignored(examined, chosen):
        return Opinion()
    found = tokens(examined, chosen)
    lesson = packed(Lesson(message_key(examined.octets), int(examined.session.received_at), found))
    if not chosen.use_bayes_rules:
        return Opinion(lesson=lesson)
    return Opinion(_judged(found | domain_tokens(examined, chosen), chosen, memory), lesson)


def _judged(found: frozenset[bytes], chosen: Options, memory: Memory | None) -> float | None:
    learned = memory.learned() if memory else None
    if memory is None or learned is None or learned.ham < max(1, chosen.min_ham_num) or learned.spam < max(1, chosen.min_spam_num):
        return None
    return probability(memory.counts(found).values(), learned, hapaxes=chosen.use_hapaxes)


def _ignored(examined: Examined, chosen: Options) -> bool:
    """Whether the message is from, or to, somebody whose mail is left alone."""
    return _any(examined, "From:addr", chosen.ignore_from) or _any(examined, "ToCc:addr", chosen.ignore_to)


def _any(examined: Examined, header: str, patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return False
    addresses = (examined.headers.get(header) or b"").decode("utf-8", "replace").lower().split()
    return any(_pattern(patterns).fullmatch(address.strip(",;<>")) for address in addresses)


@lru_cache(maxsize=8)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern.replace("[", "[[]")) for pattern in patterns))
