"""The bell that tells a worker at once of what a tool has written."""

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from gatepost.queue.doorbell import NAME, Doorbell, ring


def test_a_ring_is_answered_until_the_bell_is_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        answered = asyncio.Event()
        (tmp_path / NAME).touch()  # a crash leaves something behind
        bell = Doorbell(tmp_path, answered.set)
        for _ in range(2):
            ring(tmp_path)
            async with asyncio.timeout(5):
                await answered.wait()
            answered.clear()
        bell.close()
        ring(tmp_path)
        await asyncio.sleep(0.01)
        assert not answered.is_set()
        assert not (tmp_path / NAME).exists()

    asyncio.run(scenario())


def test_where_no_socket_can_be_nothing_is_heard_and_nothing_breaks(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()

    async def scenario() -> None:
        bell = Doorbell(deep, lambda: None)
        ring(deep)
        bell.close()

    asyncio.run(scenario())
    ring(tmp_path / "nowhere")


def test_without_a_descriptor_for_the_bell_a_partition_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", none_left)
            bell = Doorbell(tmp_path, lambda: None)
        bell.close()

    asyncio.run(scenario())
