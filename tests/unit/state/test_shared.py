"""Client counts and rates that several workers share: two processes for real, clocks and seats by hand."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from gatepost.state.client_table import ClientTable
from gatepost.state.peaks import CACHE, CONNECTIONS, Peak, Peaks, statistics
from gatepost.state.port import Rate
from gatepost.state.shared import SharedCounters


class Place:
    """The memory, a clock, and what was warned of."""

    def __init__(self, buckets: int = 8) -> None:
        self.table, self.peaks = ClientTable(4, buckets), Peaks()
        self.now = 1000.0
        self.warnings: list[str] = []

    def worker(self, seat: int) -> SharedCounters:
        return SharedCounters(
            self.table, self.peaks, seat, clock=lambda: self.now, time_unit=60.0, warn=self.warnings.append
        )  # fmt: skip


def _run(play: Callable[[], Any]) -> None:
    asyncio.run(play())


def test_two_workers_count_together() -> None:
    place = Place()
    one, two = place.worker(0), place.worker(1)

    async def play() -> None:
        assert await one.connect("smtp", "a") == (1, 1)
        assert await two.connect("smtp", "a") == (2, 2)
        assert await two.connect("25", "a") == (1, 1)
        assert await one.count(Rate.MESSAGE, "smtp", "a") == 1
        assert await two.count(Rate.MESSAGE, "smtp", "a") == 2
        one.disconnect("smtp", "a")
        assert await two.connect("smtp", "a") == (2, 3)
        place.now += 60.0
        assert await one.connect("smtp", "a") == (3, 1)
        assert await two.count(Rate.MESSAGE, "smtp", "a") == 1

    _run(play)
    assert place.warnings == []


def test_what_a_dead_worker_held_vanishes() -> None:
    place = Place()
    one, two = place.worker(0), place.worker(1)

    async def play() -> None:
        for _ in range(3):
            await one.connect("smtp", "a")
        assert await two.connect("smtp", "a") == (4, 4)
        place.table.clear_seat(0)
        assert await two.connect("smtp", "a") == (2, 5)

    _run(play)


def test_what_all_workers_have_of_a_service_is_added_up() -> None:
    place = Place(1)
    one, two = place.worker(0), place.worker(1)
    assert [one.tally("screen", 1), two.tally("screen", 1), one.tally("screen", 5), two.tally("screen", 2)] == [1, 2, 6, 7]
    assert [one.tally("other", 3), one.tally("screen", 0), two.tally("screen", 3)] == [3, 2, 3]
    assert place.table.clients(since=0.0) == 0, "a service is no client"
    place.table.clear_seat(1)
    assert one.tally("screen", 1) == 1


def test_what_cannot_be_tallied_is_our_own() -> None:
    """A full bucket, and one that is locked by another process; whoever ends is not counted either."""
    place = Place(1)
    one, two = place.worker(0), place.worker(1)
    for number in range(16):
        assert one.tally(f"service {number}", 1) == 1
    assert [two.tally("more", 4), two.tally("more", 0)] == [4, 0]


def test_a_killed_process_leaves_no_lock_and_no_connection() -> None:
    place = Place()
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            asyncio.run(place.worker(0).connect("smtp", "a"))
            place.table.lock(place.table.place("smtp:a")[1])
            os.write(writing, b"\n")
            signal.pause()
        finally:
            os._exit(1)
    os.read(reading, 1)
    two = place.worker(1)
    assert asyncio.run(two.connect("smtp", "a")) == (0, 0)  # its lock does not come: not counted, and told of
    assert "does not let go" in place.warnings[0]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert asyncio.run(two.connect("smtp", "a")) == (2, 2)
    place.table.clear_seat(0)
    assert asyncio.run(two.connect("smtp", "a")) == (2, 3)
    os.close(reading)
    os.close(writing)


def test_processes_at_once_lose_no_count() -> None:
    place = Place()
    children = []
    for seat in range(3):
        if (pid := os.fork()) == 0:
            try:
                counters = place.worker(seat)

                async def play(counters: SharedCounters = counters) -> None:
                    for number in range(300):
                        await counters.connect("smtp", str(number % 3))

                asyncio.run(play())
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    last = place.worker(3)
    assert [asyncio.run(last.connect("smtp", str(number))) for number in range(3)] == [(301, 301)] * 3


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    place = Place(buckets=1)
    one = place.worker(0)

    async def play() -> None:
        await one.connect("smtp", "held")
        for number in range(16):
            place.now += 1
            await one.count(Rate.MESSAGE, "smtp", str(number))
        assert await one.count(Rate.MESSAGE, "smtp", "15") == 2
        assert await one.count(Rate.MESSAGE, "smtp", "0") == 1  # had to go
        assert await one.connect("smtp", "held") == (2, 2)  # must not go

    _run(play)
    assert place.table.clients(place.now - 60) == 16


def test_a_bucket_full_of_connections_fails_open_with_one_warning() -> None:
    place = Place(buckets=1)
    one = place.worker(0)

    async def play() -> None:
        for number in range(16):
            await one.connect("smtp", str(number))
        assert await one.connect("smtp", "more") == (0, 0)
        one.disconnect("smtp", "more")
        assert await one.count(Rate.MESSAGE, "smtp", "more") == 0
        one.disconnect("smtp", "7")
        assert await one.connect("smtp", "more") == (1, 1)

    _run(play)
    assert place.warnings == [
        "connections and rates of (smtp:more) are not counted, nor limited: there are too many clients with connections"
    ]


def test_the_end_of_an_uncounted_connection_takes_no_counted_one_away(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    one = place.worker(0)

    async def play() -> None:
        await one.connect("smtp", "a")
        with monkeypatch.context() as patch:
            patch.setattr(place.table, "lock", lambda bucket: False)
            assert await one.connect("smtp", "a") == (0, 0)
            assert await one.connect("smtp", "a") == (0, 0)
        one.disconnect("smtp", "a")
        one.disconnect("smtp", "a")
        assert await one.connect("smtp", "a") == (2, 2)
        one.disconnect("smtp", "a")
        one.disconnect("smtp", "a")
        assert await one.connect("smtp", "a") == (1, 3)

    _run(play)


def test_leaving_without_having_come_changes_nothing() -> None:
    place = Place()
    place.worker(0).disconnect("smtp", "a")
    assert asyncio.run(place.worker(1).connect("smtp", "a")) == (1, 1)


def test_peaks_are_the_highest_since_they_were_last_taken() -> None:
    place = Place()
    one, two = place.worker(0), place.worker(1)

    async def play() -> None:
        await one.connect("smtp", "a")
        await two.connect("smtp", "a")
        two.disconnect("smtp", "a")
        await two.connect("smtp", "b")
        await two.count(Rate.TLS_SESSION, "smtp", "b")

    _run(play)
    place.peaks.see(CACHE, place.table.clients(place.now - 60), "", place.now)
    assert place.peaks.take() == (
        Peak(Rate.CONNECTION, 2, "smtp:a", 1000.0),
        Peak(CONNECTIONS, 2, "smtp:a", 1000.0),
        Peak(Rate.TLS_SESSION, 1, "smtp:b", 1000.0),
        Peak(CACHE, 2, "", 1000.0),
    )
    assert place.peaks.take() == ()


def test_statistics_are_postfix_lines() -> None:
    when = 1793127230.0
    lines = statistics(
        [
            Peak(Rate.CONNECTION, 3, "smtp:127.0.0.2", when),
            Peak(CONNECTIONS, 2, "smtp:127.0.0.2", when),
            Peak(Rate.TLS_SESSION, 1, "submission:::1", when),
            Peak(CACHE, 4, "", when),
        ],
        60,
    )
    assert [line.rpartition(" at ")[0] for line in lines] == [
        "statistics: max connection rate 3/60s for (smtp:127.0.0.2)",
        "statistics: max connection count 2 for (smtp:127.0.0.2)",
        "statistics: max newtls rate 1/60s for (submission:::1)",
        "statistics: max cache size 4",
    ]
    assert all(len(line.rpartition(" at ")[2]) == len("Oct 27 18:13:50") for line in lines)


def test_nobody_cuts_it_short() -> None:
    """A worker that is taken over: whoever looks at memory whose file has ended is killed, and the supervisor looks."""
    place = Place()
    for file in (place.table._file, place.peaks._file):
        for size in (0, 1 << 30):
            with pytest.raises(PermissionError):
                os.ftruncate(file, size)
    assert place.table.clients(0.0) == 0
