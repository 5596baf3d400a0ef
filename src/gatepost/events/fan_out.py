"""Emit to several sinks, none of which can harm another, nor whoever tells."""

from collections.abc import Callable, Sequence

from gatepost.events.records import Emit, Event

Broken = Callable[[Exception], object]
"""Is told what a sink raised, away from any sink."""


def fan_out(sinks: Sequence[Emit], broken: Broken) -> Emit:
    """Tell every one of `sinks`, in order. What one raises is `broken`'s, and the others are told all the same. For one sink that
    costs no more than itself."""
    first, *others = [guarded(sink, broken) for sink in sinks]
    if not others:
        return first

    def emit(event: Event) -> None:
        first(event)
        for other in others:
            other(event)

    return emit


def guarded(sink: Emit, broken: Broken) -> Emit:
    """`sink`, which raises no more."""

    def emit(event: Event) -> None:
        try:
            sink(event)
        except Exception as fault:  # a line of the log is worth no session
            broken(fault)

    return emit
