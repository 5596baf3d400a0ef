"""Runs what only memory answers, without an event loop."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing; that it gives others their turn is nothing to wait for."""
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("the coroutine waits")
