"""Queue ids: Postfix's long form, which here is only another writing of (arrival, partition).

A message's key is its arrival time in microseconds since 1970, unique in its partition; the id is that time and the
partition number written as Postfix writes time and inode with `enable_long_queue_ids = yes`: seconds in base 52
(at least six characters), microseconds in base 52 (four), `z`, and the number in base 51. So a queue id tells where to look.
"""

from functools import lru_cache

from msgspec import Struct

# Postfix's alphabet for long ids: digits and consonants, so that no id spells a word (postconf(5), enable_long_queue_ids).
_ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_VALUE = {c: i for i, c in enumerate(_ALPHABET)}
_SEPARATOR = "z"
_MILLION = 1_000_000
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_OF_PAIRS = len(_PAIRS)


def _encode(number: int, base: int, width: int) -> str:
    digits = []
    while number > 0:  # a damaged record may have any
        number, digit = divmod(number, base)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits)).rjust(width, "0")


def _decode(text: str, base: int) -> int:
    number = 0
    for character in text:
        digit = _VALUE.get(character, base)
        if digit >= base:
            raise ValueError(f"not a queue id: bad character {character!r}")
        number = number * base + digit
    return number


@lru_cache(64)
def _seconds(number: int) -> str:
    return _encode(number, 52, 6)


@lru_cache(64)
def _partition(number: int) -> str:
    return _SEPARATOR + _encode(number, 51, 1)


class QueueId(Struct, frozen=True, order=True):
    """`key`: arrival time in microseconds since 1970. `partition`: number of the queue partition that holds it."""

    key: int
    partition: int

    def __str__(self) -> str:
        seconds, micros = divmod(self.key, _MILLION)
        high, low = divmod(micros, _OF_PAIRS)
        return f"{_seconds(seconds)}{_PAIRS[high]}{_PAIRS[low]}{_partition(self.partition)}"

    @property
    def arrival(self) -> float:
        """Seconds since 1970."""
        return self.key / _MILLION


def parse(text: str) -> QueueId:
    """The queue id that `text` writes. Raises ValueError where it writes none."""
    time, separator, number = text.rpartition(_SEPARATOR)
    if not separator or len(time) < 10 or not number:
        raise ValueError(f"not a queue id: {text!r}")
    micros = _decode(time[-4:], 52)
    if micros >= _MILLION:
        raise ValueError(f"not a queue id: {text!r}")
    return QueueId(_decode(time[:-4], 52) * _MILLION + micros, _decode(number, 51))
