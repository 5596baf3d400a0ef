"""Who is away, who may ask, and who waits: a client and crowds that ask it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.driven_loop import run
from tests.support.stream_servers import (
    LIMITS,
    RULES,
    Asking,
    Line,
    Listening,
    Reader,
    Writer,
    closing,
    echo,
    listening,
    silent,
)

from gatepost.net import breaker
from gatepost.net.breaker import Away, Back
from gatepost.net.stream_port import BreakerRules, Crowd, Retry, StreamFailure, StreamRules, Trouble
from gatepost.proto.exchange import Exchange


def played(
    tmp_path: Path, rules: StreamRules, scene: Callable[[Listening, Asking], Coroutine[Any, Any, None]]
) -> list[Away | Back]:
    async def play() -> list[Away | Back]:
        async with listening("unix", tmp_path, closing) as peer:
            assert peer.server is not None
            asking = Asking(peer.server, rules, source="check_something unix:socket")
            await scene(peer, asking)
            return asking.told

    return run(play())


async def troubles(asking: Asking, owners: Iterable[str], make: Callable[[], Exchange[str]] = Line) -> list[Trouble | str]:
    heard: list[Trouble | str] = []
    for owner in owners:
        try:
            heard.append(await asking.client.ask(make, owner=owner))
        except StreamFailure as failure:
            heard.append(failure.trouble)
    return heard


WITH_BREAKER = replace(RULES, breaker=BreakerRules(3, 10))


def test_who_is_away_is_asked_now_and_then_only(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        assert await troubles(asking, "abcdef") == [Trouble.CLOSED] * 4 + [Trouble.AWAY] * 2  # of which d asks for all the others
        assert peer.accepted == 4
        await asyncio.sleep(11)
        assert await troubles(asking, "efgabc") == [Trouble.CLOSED, Trouble.AWAY, Trouble.AWAY] * 2
        assert peer.accepted == 6
        peer.behave = echo
        assert await troubles(asking, "abc") == [Trouble.AWAY] * 3
        await asyncio.sleep(11)
        assert await troubles(asking, "abc") == ["hello"] * 3

    away, back = played(tmp_path, WITH_BREAKER, scene)
    assert isinstance(away, Away)
    assert isinstance(back, Back)
    assert str(away).startswith(f"check_something unix:socket: server {tmp_path}/socket counts as away after 3 failures (")
    assert str(back) == f"check_something unix:socket: server {tmp_path}/socket answers again after 22 s"


def test_one_owner_alone_does_not_make_a_server_count_as_away(tmp_path: Path) -> None:
    """A sender whose mail makes the server fail."""

    async def scene(peer: Listening, asking: Asking) -> None:
        assert await troubles(asking, "a" * 20) == [Trouble.CLOSED] * 20
        peer.behave = echo
        assert await troubles(asking, "b") == ["hello"]

    assert played(tmp_path, WITH_BREAKER, scene) == []


def test_an_answer_in_between_counts(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        for _ in range(5):
            peer.behave = closing
            assert await troubles(asking, "ab") == [Trouble.CLOSED] * 2
            peer.behave = echo
            assert await troubles(asking, "c") == ["hello"]
            asking.client.close()

    assert played(tmp_path, WITH_BREAKER, scene) == []


def test_one_probe_at_a_time_however_long_it_takes(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        await troubles(asking, "abc")
        peer.behave = silent
        await asyncio.sleep(11)
        probe = asyncio.create_task(troubles(asking, "d"))
        await asyncio.sleep(4)
        assert await troubles(asking, "efg") == [Trouble.AWAY] * 3
        assert await probe == [Trouble.TIMEOUT]
        assert peer.accepted == 4

    assert len(played(tmp_path, replace(WITH_BREAKER, breaker=BreakerRules(3, 1)), scene)) == 1


async def picky(reader: Reader, writer: Writer) -> None:
    """Fails at some mail, and answers all the rest."""
    while line := await reader.readline():
        if line.startswith(b"bad"):
            break
        writer.write(b"ok " + line)
    writer.close()


def bad() -> Exchange[str]:
    return Line("bad")


def test_senders_whose_mail_makes_a_server_fail_keep_nobody_else_from_it(tmp_path: Path) -> None:
    """However often they ask, and whenever a probe is due."""

    async def scene(peer: Listening, asking: Asking) -> None:
        peer.behave = picky
        assert await troubles(asking, "abc", bad) == [Trouble.CLOSED] * 3
        for _ in range(50):
            await troubles(asking, "abc", bad)
            assert await troubles(asking, "xyz") == ["hello"] * 3
            await asyncio.sleep(3)

    told = played(tmp_path, WITH_BREAKER, scene)
    assert [type(one) for one in told] == [Away, Back]


def test_probes_are_not_theirs(tmp_path: Path) -> None:
    """Though they are there first each time."""

    async def scene(peer: Listening, asking: Asking) -> None:
        assert await troubles(asking, "abcd", bad) == [Trouble.CLOSED] * 4
        peer.behave = picky
        await asyncio.sleep(11)
        assert await troubles(asking, "abcd", bad) == [Trouble.CLOSED] + [Trouble.AWAY] * 3
        assert await troubles(asking, "x") == ["hello"]

    assert [type(one) for one in played(tmp_path, WITH_BREAKER, scene)] == [Away, Back]


def test_they_are_asked_for_now_and_then_until_they_are_answered(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        peer.behave = picky
        await troubles(asking, "abc", bad)
        assert await troubles(asking, "x") == ["hello"]
        before = peer.accepted
        for _ in range(20):
            assert Trouble.AWAY in await troubles(asking, "aa", bad)
            await asyncio.sleep(1.1)
        assert peer.accepted - before <= 4
        await asyncio.sleep(11)
        assert await troubles(asking, "aaa") == ["hello"] * 3
        assert await troubles(asking, "bbb", bad) == [Trouble.CLOSED, Trouble.AWAY, Trouble.AWAY]

    played(tmp_path, WITH_BREAKER, scene)


def test_where_nobody_else_asks_they_find_out_that_it_is_back(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        await troubles(asking, "abc")
        peer.behave = echo
        await asyncio.sleep(11)
        assert await troubles(asking, "abcabc") == ["hello"] * 6

    assert [type(one) for one in played(tmp_path, WITH_BREAKER, scene)] == [Away, Back]


def test_what_is_known_of_them_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_MOST_SUSPECTS", 5)

    async def scene(peer: Listening, asking: Asking) -> None:
        for number in range(20):
            await troubles(asking, [f"{number}/{one}" for one in range(4)])
            await asyncio.sleep(11)
        assert len(asking.client._breaker._suspects) <= 5

    played(tmp_path, WITH_BREAKER, scene)


def test_a_probe_that_is_cancelled_leaves_its_place(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        await troubles(asking, "abc")
        await asyncio.sleep(11)
        peer.behave = silent
        probe = asyncio.create_task(troubles(asking, "d"))
        await asyncio.sleep(1)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        peer.behave = echo
        assert await troubles(asking, "e") == ["hello"]

    assert len(played(tmp_path, WITH_BREAKER, scene)) == 2


def test_who_waits_for_a_hanging_server_is_told_when_others_have_found_out(tmp_path: Path) -> None:
    """Not one after the other after a time limit each."""

    async def scene(peer: Listening, asking: Asking) -> None:
        peer.behave = silent
        begun = asyncio.get_running_loop().time()
        crowd = [asyncio.create_task(troubles(asking, [str(one)])) for one in range(60)]
        heard = [trouble for (trouble,) in await asyncio.gather(*crowd)]
        assert heard == [Trouble.TIMEOUT] * 4 + [Trouble.AWAY] * 56  # the fourth asks for all the others
        assert asyncio.get_running_loop().time() - begun == pytest.approx(2 * LIMITS.read, abs=0.1)

    assert len(played(tmp_path, replace(WITH_BREAKER, crowd=Crowd(3, 3, 100)), scene)) == 1


def test_no_probe_is_tried_twice_and_no_try_outlives_the_verdict(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        crowd = [asyncio.create_task(troubles(asking, [owner])) for owner in "abc"]
        await asyncio.sleep(0.5)
        assert await troubles(asking, "d") == [Trouble.AWAY]  # between its first try and its second the others had their second
        assert await asyncio.gather(*crowd) == [[Trouble.CLOSED]] * 3
        before = peer.accepted
        await asyncio.sleep(11)
        assert await troubles(asking, "d") == [Trouble.CLOSED]
        assert peer.accepted == before + 1

    played(tmp_path, replace(WITH_BREAKER, retry=Retry(2, 1)), scene)


# Crowds


def test_one_sender_does_not_hold_up_another(tmp_path: Path) -> None:
    """A flood of one owner has its share of the connections; another's question is answered as if it were alone."""

    async def late(reader: Reader, writer: Writer) -> None:
        while line := await reader.readline():
            await asyncio.sleep(3)
            writer.write(b"ok " + line)

    async def scene(peer: Listening, asking: Asking) -> None:
        peer.behave = late
        flood = [asyncio.create_task(asking.client.ask(Line, owner="flood")) for _ in range(30)]
        await asyncio.sleep(0.5)
        assert peer.accepted == 2
        begun = asyncio.get_running_loop().time()
        assert await asking.client.ask(Line, owner="other") == "hello"
        assert asyncio.get_running_loop().time() - begun == pytest.approx(3, abs=0.1)
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)

    played(tmp_path, replace(RULES, crowd=Crowd(4, 2, 100)), scene)


def test_waiting_has_an_end(tmp_path: Path) -> None:
    async def scene(peer: Listening, asking: Asking) -> None:
        peer.behave = silent
        first = asyncio.create_task(troubles(asking, "a"))
        await asyncio.sleep(0)
        begun = asyncio.get_running_loop().time()
        assert await troubles(asking, "b") == [Trouble.BUSY]
        assert asyncio.get_running_loop().time() - begun == pytest.approx(3, abs=0.1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    played(tmp_path, replace(RULES, crowd=Crowd(1, 1, 100), limits=replace(LIMITS, turn=3)), scene)
