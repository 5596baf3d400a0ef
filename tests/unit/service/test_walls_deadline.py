"""A process that the kernel kills after a time, whatever it does against it."""

import os
import signal

from gatepost.service.walls import deadline


def test_whoever_sleeps_is_killed() -> None:
    child = os.fork()
    if child == 0:
        deadline.kill_after(0.01)
        while True:
            signal.pause()
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
