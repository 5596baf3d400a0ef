"""What Bayes learns, and forgets: of messages, of tokens that have not been seen for long, of all of them."""

import heapq
from array import array
from collections.abc import Iterable
from typing import Final

from gatepost.filter.bayes.lesson import Lesson
from gatepost.filter.bayes.store import Change, Store
from gatepost.filter.teaching import Taught, total

MOST: Final = 150_000
"""Tokens that are kept (bayes_expiry_max_db_size)."""
_KEPT: Final = 0.75
_FEWEST: Final = 100_000
_WORTH: Final = 1000
"""Tokens that have to be in the way before any are taken away."""
_MESSAGES: Final = 1_000_000
"""Messages of which it is known that they were learned."""


def teach(store: Store, lessons: Iterable[tuple[Lesson, bool]]) -> Taught:
    """Learn from messages, each with whether it is spam, as one change."""
    with store.change() as change:
        return total(_teach(change, lesson, spam) for lesson, spam in lessons)


def _teach(change: Change, lesson: Lesson, spam: bool) -> Taught:
    before = change.seen(lesson.message)
    if before is spam:
        return Taught(known=1)
    if before is not None:
        _count(change, lesson, before, -1)
    _count(change, lesson, spam, 1)
    change.remember(lesson.message, spam, lesson.at)
    return Taught(changed=1) if before is not None else Taught(learned=1)


def forget(store: Store, lessons: Iterable[Lesson]) -> int:
    """Take back what was learned of messages; of how many."""
    forgotten = 0
    with store.change() as change:
        for lesson in lessons:
            before = change.seen(lesson.message)
            if before is not None:
                _count(change, lesson, before, -1)
                change.remember(lesson.message, None, 0)
                forgotten += 1
    return forgotten


def _count(change: Change, lesson: Lesson, spam: bool, times: int) -> None:
    spam_times, ham_times = (times, 0) if spam else (0, times)
    change.add(lesson.tokens, spam_times, ham_times, lesson.at)
    change.count(spam_times, ham_times)


def expire(store: Store, most: int = MOST) -> int:
    """Forget the tokens that were last seen longest ago, if there are more than `most`; how many. As in SpamAssassin three quarters
    of that stay, or 100,000 (sa-learn(1), EXPIRATION), and none of them is older than one that goes."""
    kept = max(int(most * _KEPT), _FEWEST)
    with store.change() as change:
        tokens, messages = change.size()
        gone: list[bytes] = []
        if tokens > most and tokens - kept >= _WORTH:
            oldest = heapq.nlargest(kept, array("L", (seen for _, seen in change.ages())))[-1]
            gone = [token for token, seen in change.ages() if seen < oldest]
            change.forget_tokens(gone)
        if messages > _MESSAGES:
            first = heapq.nlargest(_MESSAGES, array("L", (at for _, at in change.message_ages())))[-1]
            for message in [message for message, at in change.message_ages() if at < first]:
                change.remember(message, None, 0)
    return len(gone)
