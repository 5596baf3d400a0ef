"""Memory that workers share is taken from a child that is to be with hostile content."""

import os

from gatepost.state import memory


def test_a_child_that_gives_it_up_neither_sees_nor_changes_it() -> None:
    file, shared = memory.shared("test", 8192)
    view = memoryview(shared)
    shared[:6] = b"secret"
    child = os.fork()
    if child == 0:
        memory.give_up()
        seen = bytes(view[:6]) == bytes(6) and os.fstat(file).st_size == 0
        view[:6] = b"forged"
        os._exit(not seen)
    assert os.waitpid(child, 0)[1] == 0
    assert bytes(view[:6]) == b"secret"
