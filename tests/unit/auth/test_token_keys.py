"""The keys of an issuer: when its server is asked, and what counts while it says nothing."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.support.driven_loop import run
from tests.support.issuer import Signer, key_set

from gatepost.auth.backends.signed_token import Head
from gatepost.auth.backends.token_claims import CannotSay, WrongToken
from gatepost.auth.backends.token_keys import LARGEST, PAUSE_AFTER_FAILURE, PAUSE_AFTER_KEYS, KeysOfFile, KeysOfUrl

OLD, NEW = Signer("old", "ES256"), Signer("new", "ES256")


def named(key: str) -> Head:
    return Head("ES256", key)


class Server:
    """What a server says: `said`, or nothing where it is None. `asked`: how often it was."""

    def __init__(self, said: bytes | None = None, seconds: float = 0) -> None:
        self.said = said
        self.seconds = seconds
        self.asked = 0
        self.log: list[str] = []
        self.keys = KeysOfUrl(self._fetch, lifetime=3600, stale=86400, clock=self._now, warn=self.log.append)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _fetch(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.said is None:
            raise CannotSay("nobody there")
        return self.said

    async def judged(self, key: str) -> str:
        """Which keys a token of this key's id may be signed by, or how else it goes."""
        try:
            return " ".join(one.id for one in await self.keys.for_token(named(key)))
        except WrongToken:
            return "wrong"
        except CannotSay:
            return "later"


def test_keys_are_asked_for_once() -> None:
    async def play() -> None:
        server = Server(key_set(OLD), seconds=1)
        assert set(await asyncio.gather(*(server.judged("old") for _ in range(50)))) == {"old"}
        assert server.asked == 1

    run(play())


def test_names_of_keys_that_an_attacker_chooses() -> None:
    """A question to the server in a minute, however many there are. Who comes meanwhile is not called wrong: his key may be new."""

    async def play() -> None:
        server = Server(key_set(OLD))
        assert await server.judged("old") == "old"
        said = [await server.judged(f"forged{n}") for n in range(100)]
        assert (set(said), server.asked) == ({"later"}, 1)
        await asyncio.sleep(PAUSE_AFTER_KEYS)
        said = await asyncio.gather(*(server.judged(f"forged{n}") for n in range(100)))
        assert server.asked == 2
        assert "wrong" in said and set(said) <= {"wrong", "later"}
        assert await server.judged("old") == "old"

    run(play())


def test_a_new_key() -> None:
    async def play() -> None:
        server = Server(key_set(OLD))
        assert await server.judged("old") == "old"
        server.said = key_set(OLD, NEW)
        assert await server.judged("new") == "later"
        await asyncio.sleep(PAUSE_AFTER_KEYS)
        assert await server.judged("new") == "new"
        server.said = key_set(NEW)
        await asyncio.sleep(3600)
        assert await server.judged("old") == "old"  # nobody waits for the server
        await asyncio.sleep(1)
        assert await server.judged("old") == "later"

    run(play())


def test_a_server_that_is_away() -> None:
    """Its keys count for a day, and then nobody is called wrong."""

    async def play() -> None:
        server = Server(key_set(OLD))
        assert await server.judged("old") == "old"
        server.said, server.seconds = None, 30
        for _ in range(23):
            await asyncio.sleep(3600)
            begun = asyncio.get_running_loop().time()
            assert await server.judged("old") == "old"
            assert asyncio.get_running_loop().time() == begun
        assert await server.judged("new") == "later"
        assert any("keys that were there before are used" in line for line in server.log)
        await asyncio.sleep(3601)
        assert await server.judged("old") == "later"
        server.said = key_set(OLD)
        await asyncio.sleep(PAUSE_AFTER_FAILURE)
        assert await server.judged("old") == "old"

    run(play())


def test_a_server_that_never_was_there_is_not_asked_by_everybody() -> None:
    async def play() -> None:
        server = Server()
        assert {await server.judged("old") for _ in range(100)} == {"later"}
        assert server.asked == 1
        await asyncio.sleep(PAUSE_AFTER_FAILURE)
        await server.judged("old")
        assert server.asked == 2

    run(play())


@pytest.mark.parametrize("said", [b"", b"<html>", b'{"keys": []}', b"[" * 70_000])
def test_a_server_that_says_nothing_sensible(said: bytes) -> None:
    async def play() -> None:
        server = Server(key_set(OLD))
        assert await server.judged("old") == "old"
        server.said = said
        await asyncio.sleep(3600)
        await server.judged("old")
        await asyncio.sleep(1)
        assert await server.judged("old") == "old"

    run(play())


def test_who_gives_up_ends_it_for_nobody_else() -> None:
    async def play() -> None:
        server = Server(key_set(OLD), seconds=5)
        impatient = asyncio.create_task(server.judged("old"))
        patient = asyncio.create_task(server.judged("old"))
        await asyncio.sleep(1)
        impatient.cancel()
        assert await patient == "old"
        assert server.asked == 1

    run(play())


# --- a file ---


def test_a_file_and_its_changes(tmp_path: Path) -> None:
    file, log = tmp_path / "jwks.json", list[str]()

    async def play() -> None:
        keys = KeysOfFile(str(file), log.append)
        with pytest.raises(CannotSay, match="No such file"):
            await keys.for_token(named("old"))
        file.write_bytes(key_set(OLD))
        assert [key.id for key in await keys.for_token(named("old"))] == ["old"]
        with pytest.raises(WrongToken):
            await keys.for_token(named("new"))
        file.with_suffix(".new").write_bytes(key_set(NEW))
        os.replace(file.with_suffix(".new"), file)
        assert [key.id for key in await keys.for_token(named("new"))] == ["new"]
        for wrong in (b"{", b"x" * (LARGEST + 1)):
            file.write_bytes(wrong)
            assert await keys.for_token(named("new"))
        file.unlink()
        assert await keys.for_token(named("new"))

    run(play())
    assert len(log) == 3
