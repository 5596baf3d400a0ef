"""Whether work grows with its input and no faster: the CPU time of one size beside that of a quarter of it.

Wall clock says nothing on a busy machine; this thread's CPU time does. The size grows until the work can be measured, so that
a loop in C and one in Python are held to the same rule.
"""

import time
from collections.abc import Callable

_MEASURABLE = 0.002
"""Seconds of CPU below which a figure says nothing."""
_SMALLEST, _LARGEST = 500, 512_000
"""Sizes that are tried for the largest of the three inputs."""
_FACTOR = 9.0
"""Four times the input may cost no more than this many times as much: linear work needs 4, quadratic 16."""
_ATTEMPTS = 4


def cost(work: Callable[[], object]) -> float:
    """Seconds of CPU."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def grows_linearly(work: Callable[[int], Callable[[], object]]) -> bool:
    """`work` makes, for a size, what is to be measured; only calling that counts."""
    size, small, large = _SMALLEST, 0.0, 0.0
    while large < _MEASURABLE and size < _LARGEST:
        size *= 4
        small, large = large, cost(work(size))
    if large < _MEASURABLE:  # quadratic work on half a million octets would have been seen
        return True
    if small and large < _FACTOR * small:
        return True
    return any(_ratio(work, size) < _FACTOR for _ in range(_ATTEMPTS))


def _ratio(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """The cost of `size` over that of a quarter; of several runs the cheapest counts, as others only add to it."""
    large, small = work(size), work(size // 4)
    return min(cost(large) for _ in range(2)) / max(min(cost(small) for _ in range(3)), 1e-5)
