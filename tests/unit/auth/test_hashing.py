"""Password hashes in threads of their own."""

import asyncio
import os
import sys
import threading

import pytest

from gatepost.auth.backends.hashing import NICE, Hashing


@pytest.mark.skipif(sys.platform != "linux", reason="only there has a thread a priority of its own")
def test_they_stand_behind_the_sessions() -> None:
    """And only they: the loop that asks for them does not."""

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def scenario() -> tuple[int, int, int]:
        before, hashing = priority(), Hashing()
        return before, await hashing.run(priority), priority()

    before, threads, after = asyncio.run(scenario())
    assert before == after
    assert threads == min(before + NICE, 19)
