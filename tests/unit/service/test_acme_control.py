"""Requests of `gatepost acme renew`, and who is answered."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from gatepost.service.acme.control import SOCKET, ask_to_renew, serve_requests
from gatepost.service.acme.renewals import Outcome
from gatepost.service.roles import ACME


def asked(folder: Path, users: set[int], outcome: Outcome) -> Outcome:
    """What the command is told by a process of this folder."""
    (folder / "gatepost").mkdir()

    async def renew() -> Outcome:
        return outcome

    async def talk() -> Outcome:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / SOCKET))
        async with await serve_requests(listener, users, renew):
            return await asyncio.to_thread(ask_to_renew, folder)

    return asyncio.run(talk())


@pytest.mark.parametrize("outcome", [Outcome(True, "it was issued"), Outcome(False, "mx.test is invalid: é")])
def test_what_came_of_it_is_told(tmp_path: Path, outcome: Outcome) -> None:
    assert asked(tmp_path, {os.getuid()}, outcome) == outcome


def test_nobody_else_is_answered(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        asked(tmp_path, {os.getuid() + 1}, Outcome(True, "it was issued"))


def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        ask_to_renew(tmp_path)


def test_the_socket_is_the_one_of_the_role() -> None:
    assert ACME.sockets == (SOCKET,)
