"""What several rules ask of a message is found out once."""

import functools
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from gatepost.filter.port import Examined

_Found = TypeVar("_Found")


def once(function: Callable[[Examined], _Found]) -> Callable[[Examined], _Found]:
    """The function, its answer kept as long as the message is looked at."""
    known: WeakKeyDictionary[Examined, _Found] = WeakKeyDictionary()

    @functools.wraps(function)
    def remembered(examined: Examined) -> _Found:
        found = known.get(examined)
        if found is None:
            found = known[examined] = function(examined)
        return found

    return remembered
