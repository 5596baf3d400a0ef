"""The system's accounts, asked in threads and remembered; an account that is not there is told from a database that is not."""

import asyncio
import ctypes
import errno
import grp
import pwd
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gatepost.lookup import account_database, accounts
from gatepost.lookup.account_database import User
from gatepost.lookup.accounts import Accounts
from gatepost.lookup.blocking import BlockingCalls
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables

ALICE = User("alice", "x", 1001, 1001, "", "/home/alice", "/bin/sh")


def test_every_account_of_this_system_as_python_knows_it() -> None:
    for user in pwd.getpwall():
        found = account_database.user_named(user.pw_name)
        assert found is not None
        assert (found.name, found.password, found.uid, found.gid, found.gecos, found.home, found.shell) == tuple(user)
        assert account_database.user_with_id(user.pw_uid) is not None
    for group in grp.getgrall():
        known = account_database.group_named(group.gr_name)
        assert known is not None
        assert (known.name, known.password, known.gid, list(known.members)) == tuple(group)


@pytest.mark.parametrize("name", ["", "no such user", "a\0b", "\udcff", "\ud800", "x" * 100_000])
def test_what_nobody_is_called(name: str) -> None:
    assert account_database.user_named(name) is None
    assert account_database.group_named(name) is None


@pytest.mark.parametrize("uid", [-1, 3_999_999_999, 1 << 32])
def test_what_is_nobody_s_number(uid: int) -> None:
    assert account_database.user_with_id(uid) is None


@pytest.mark.parametrize(("status", "known"), [(0, True), (errno.ENOENT, True), (errno.EIO, False), (errno.ECONNREFUSED, False)])
def test_a_database_that_cannot_answer_knows_not(monkeypatch: pytest.MonkeyPatch, status: int, known: bool) -> None:
    class Library:
        def getpwnam_r(self, *arguments: Any) -> int:
            return status

    monkeypatch.setattr(account_database, "_libc", Library())
    if known:
        assert account_database.user_named("alice") is None
    else:
        with pytest.raises(OSError, match="account database"):
            account_database.user_named("alice")


def test_an_entry_that_needs_more_room_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = []

    class Library:
        def getpwnam_r(self, name: Any, entry: Any, memory: Any, room: ctypes.c_size_t, found: Any) -> int:
            rooms.append(room.value)
            return errno.ERANGE

    monkeypatch.setattr(account_database, "_libc", Library())
    with pytest.raises(OSError, match="without end"):
        account_database.user_named("alice")
    assert rooms == sorted(set(rooms))
    assert rooms[-1] <= 1 << 22


class Scene:
    """Accounts over a database that says what it is told, and a clock that is moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.there: dict[str, User] = {"alice": ALICE}
        self.gate = threading.Event()
        self.gate.set()
        self.error: OSError | None = None
        self.accounts = Accounts(BlockingCalls(2, 10.0), lambda: self.now)
        monkeypatch.setattr(account_database, "user_named", self._user_named)

    def _user_named(self, name: str) -> User | None:
        self.asked.append(name)
        assert self.gate.wait(30)
        if self.error:
            raise self.error
        return self.there.get(name)

    async def knows(self, name: str) -> bool:
        return await self.accounts.user_named(name) is not None


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    one = Scene(monkeypatch)
    yield one
    one.gate.set()


def test_answers_are_remembered_for_a_while(scene: Scene) -> None:
    async def scenario() -> None:
        for _ in range(3):
            assert await scene.knows("alice")
            assert not await scene.knows("bob")
        assert scene.asked == ["alice", "bob"]
        scene.there = {"bob": ALICE}
        scene.now += accounts.NOT_FOUND + 0.1
        assert await scene.knows("bob")
        assert await scene.knows("alice")
        scene.now += accounts.FOUND
        for _ in range(2):
            assert not await scene.knows("alice")
        assert scene.asked == ["alice", "bob", "bob", "alice"]

    asyncio.run(scenario())


def test_guesses_push_out_nobody_and_take_no_memory(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "ROOM", 10)

    async def scenario() -> None:
        assert await scene.knows("alice")
        for number in range(100):
            assert not await scene.knows(f"guess{number}")
            assert len(scene.accounts._missing) <= 10
        assert await scene.knows("alice")
        assert scene.asked.count("alice") == 1

    asyncio.run(scenario())


def test_no_answer_is_no_unknown_user(scene: Scene) -> None:
    async def scenario() -> None:
        table = Tables(pytest.fail, accounts=scene.accounts).open("unix:passwd.byname")
        scene.error = OSError(errno.EIO, "account database: EIO")
        with pytest.raises(LookupFailure, match=r"unix:passwd\.byname: account database: EIO"):
            await table.lookup("alice")
        scene.error = None
        assert await table.lookup("alice") == "alice:x:1001:1001::/home/alice:/bin/sh"  # failures are not remembered

    asyncio.run(scenario())


def test_a_database_that_hangs_is_a_failure_of_the_table(scene: Scene) -> None:
    async def scenario() -> None:
        scene.accounts = Accounts(BlockingCalls(1, 0.01), lambda: scene.now)
        maps = Tables(warnings.append, accounts=scene.accounts).maps("proxy:unix:passwd.byname", "local_recipient_maps")
        scene.gate.clear()
        for name in ("alice", "bob"):
            with pytest.raises(LookupFailure):
                await maps.find(name)
        assert scene.asked == ["alice"]
        scene.gate.set()

    warnings: list[str] = []
    asyncio.run(scenario())
    assert warnings == [f'proxy:unix:passwd.byname lookup error for "{name}"' for name in ("alice", "bob")]
