"""One sink's fault harms no other sink, and never whoever tells."""

from gatepost.events.fan_out import fan_out
from gatepost.events.records import Event, Removed

EVENT = Removed("qmgr", "Q")


def test_a_sink_that_raises_harms_no_other() -> None:
    told: list[Event] = []
    faults: list[Exception] = []

    def broken(event: Event) -> None:
        raise ValueError("not today")

    for sinks in ([broken, told.append], [told.append, broken], [broken]):
        fan_out(sinks, faults.append)(EVENT)
    assert told == [EVENT, EVENT]
    assert [str(fault) for fault in faults] == ["not today"] * 3


def test_a_sink_that_is_told_to_stop_stops() -> None:
    """What ends the process is no fault of a sink."""

    def ends(event: Event) -> None:
        raise KeyboardInterrupt

    try:
        fan_out([ends], print)(EVENT)
    except KeyboardInterrupt:
        return
    raise AssertionError("it went on")
