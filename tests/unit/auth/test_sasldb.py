"""Users of a sasldb, and what stands in it."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract
from tests.support.sasldb import hashed, sasldb

from gatepost.auth.backends.hashing import Hashing
from gatepost.auth.backends.sasldb import Sasldb
from gatepost.lookup.berkeley_db import NotReadable, pairs
from gatepost.proto.sasl.port import Accepted, IsPassword, Keys, PasswordOf, Question, Refused, Secret, Unavailable, Verdict

HOST = ATTEMPT.host


def written(path: Path, octets: bytes | None) -> None:
    """None: there is no file."""
    path.unlink(missing_ok=True)
    if octets is not None:
        path.write_bytes(octets)


@asynccontextmanager
async def over(octets: bytes | None, realm: str = "") -> AsyncIterator[Sasldb]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "sasldb2")
        written(path, octets)
        yield Sasldb(str(path), Hashing(), realm)


class TestContract(CheckerContract):
    run = staticmethod(asyncio.run)

    def opened(self) -> AbstractAsyncContextManager[Sasldb]:
        return over(sasldb({(USER, HOST): PASSWORD, ("bob", HOST): b"x"}))

    def away(self) -> AbstractAsyncContextManager[Sasldb]:
        return over(None)

    def slow(self) -> None:
        return None


def asked(question: Question, octets: bytes, realm: str = "") -> Verdict:
    async def ask() -> Verdict:
        async with over(octets, realm) as users:
            return await users.check(question, ATTEMPT)

    return asyncio.run(ask())


USERS = sasldb({("anna", HOST): b"of our name", ("anna", "a.test"): b"of a", ("anna", "b.test"): b"of b"})


@pytest.mark.parametrize(
    ("user", "realm", "password", "verdict"),
    [
        ("anna", "", b"of our name", Accepted("anna")),
        ("anna@a.test", "", b"of a", Accepted("anna@a.test")),
        ("anna", "b.test", b"of b", Accepted("anna@b.test")),
        ("anna@a.test", "b.test", b"of a", Accepted("anna@a.test")),
        ("anna", "b.test", b"of our name", Refused()),
        ("anna@", "", b"of our name", Refused()),
        ("anna@c.test", "", b"of a", Refused()),
    ],
)
def test_users_have_realms(user: str, realm: str, password: bytes, verdict: Verdict) -> None:
    assert asked(IsPassword(user, Secret(password)), USERS, realm) == verdict


def test_it_knows_passwords_in_the_clear() -> None:
    keys = asked(PasswordOf("anna@a.test"), USERS)
    assert isinstance(keys, Keys) and keys.user == "anna@a.test" and keys.password.octets == b"of a"
    assert asked(PasswordOf("ben"), USERS) == Refused()


def test_other_properties_are_no_passwords() -> None:
    assert asked(IsPassword("anna", Secret(b"x")), sasldb({("anna", HOST): b"x"}, "cmusaslsecretOTP")) == Refused()


@pytest.mark.parametrize("octets", [b"", b"x" * 8192, USERS[:500], USERS[: 4096 + 25] + b"\x0d\xff\xff" + USERS[4096 + 28 :]])
def test_a_file_that_is_no_sasldb_lets_nobody_in_and_refuses_nobody(octets: bytes) -> None:
    assert isinstance(asked(IsPassword("anna", Secret(b"of our name")), octets), Unavailable)


def test_it_is_read_anew_when_it_has_changed() -> None:
    async def play() -> list[Verdict]:
        with TemporaryDirectory() as folder:
            path = Path(folder, "sasldb2")
            users = Sasldb(str(path), Hashing(), "")
            said = []
            for password in (b"x", b"other", None, b"x"):
                written(path, sasldb({("anna", HOST): password}) if password else None)
                said.append(await users.check(IsPassword("anna", Secret(b"x")), ATTEMPT))
            return said

    first, second, third, fourth = asyncio.run(play())
    assert (first, second, fourth) == (Accepted("anna"), Refused(), Accepted("anna"))
    assert isinstance(third, Unavailable)


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=40), max_size=20))
def test_entries_come_back(entries: dict[bytes, bytes]) -> None:
    assert dict(pairs(io.BytesIO(hashed(entries)))) == entries


@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_damaged_pages_end_and_make_nothing_more(octets: bytes, at: int) -> None:
    file = bytearray(hashed({b"%d" % n: b"x" * n for n in range(40)}))
    file[4096 + at : 4096 + at + len(octets)] = octets
    found = 0
    try:
        for key, value in pairs(io.BytesIO(bytes(file))):
            found += len(key) + len(value)
    except NotReadable:
        pass
    assert found <= 2 * len(file)
