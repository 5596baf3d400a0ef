"""A user file: what its lines mean, what becomes of mistakes, and changes to it."""

import asyncio
import fcntl
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract

from gatepost.auth.backends import stored_password, user_file, user_file_edit
from gatepost.auth.backends.hashing import Hashing
from gatepost.auth.backends.user_file import UserFile, Users, parse, verdict
from gatepost.auth.backends.user_file_edit import Refusal
from gatepost.auth.port import Checker
from gatepost.proto.sasl.port import Accepted, IsPassword, Refused, Secret, Unavailable, Verdict

FILE = """\
# a comment: with colons

anna:{PLAIN}secret
ben:{PLAIN}other
anna:{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=:phone
"""


def test_lines() -> None:
    users = parse(FILE)
    assert set(users.by_login) == {"anna", "ben"}
    assert not users.faults
    assert set(users.by_login["anna"].applications) == {"phone"}


def test_either_password_does_and_no_other() -> None:
    users = parse(FILE.replace("{PLAIN}secret", "{PLAIN}own"))
    assert verdict(users, "anna", b"own") == Accepted("anna")
    assert verdict(users, "anna", b"secret") == Accepted("anna")  # the phone's
    assert verdict(users, "anna", b"other") == Refused()
    assert verdict(users, "ben", b"own") == Refused()
    assert verdict(users, "Anna", b"own") == Refused()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("anna", "not of the form"),
        (":{PLAIN}x", "not of the form"),
        ("anna:{PLAIN}x:", "not of the form"),
        ("anna:{PLAIN}x:a:b", "not of the form"),
        ("anna:topsecret", "no scheme"),
        ("anna:{NOSUCH}topsecret", "unknown scheme"),
        (f"anna:{stored_password.DECOY}:phone", "slow hash"),
    ],
)
def test_a_line_that_cannot_be_read(line: str, what: str) -> None:
    users = parse(f"ben:{{PLAIN}}other\n{line}\n")
    ((number, fault),) = users.faults
    assert number == 2
    assert what in fault
    assert "topsecret" not in fault
    assert verdict(users, "ben", b"other") == Accepted("ben")
    assert isinstance(verdict(users, "anna", b"topsecret"), Unavailable)  # it might have been his line


def test_two_passwords_of_one_name_are_a_mistake() -> None:
    users = parse("anna:{PLAIN}a\nanna:{PLAIN}b\nanna:{PLAIN}c:x\nanna:{PLAIN}d:x\n")
    assert [line for line, _ in users.faults] == [2, 4]
    assert verdict(users, "anna", b"b") == Refused()


def test_one_slow_hash_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[str] = []
    real = stored_password.verify

    def counted(stored: str, password: bytes) -> bool:
        if not stored_password.is_quick(stored):
            slow.append(stored)
        return real(stored, password)

    monkeypatch.setattr(stored_password, "verify", counted)
    own, (_, token) = stored_password.hashed(b"own"), user_file_edit.make_token()
    users = parse(f"anna:{own}\nanna:{token}:phone\ncarl:{token}:only\n")
    for login, password in (("anna", b"own"), ("anna", b"wrong"), ("nobody", b"wrong"), ("carl", b"wrong"), ("", b"")):
        slow.clear()
        verdict(users, login, password)
        assert len(slow) == 1, login


def test_the_decoy_lets_nobody_in() -> None:
    users = parse("anna:{PLAIN}secret\n")
    assert verdict(users, "nobody", b"secret") == Refused()
    assert verdict(Users({}), "nobody", b"secret") == Refused()


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    parse(text)


class TestContract(CheckerContract):
    run = staticmethod(asyncio.run)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "users"
        self.path.write_text(f"{USER}:{{PLAIN}}{PASSWORD.decode()}\n")
        self.path.chmod(0o640)

    @asynccontextmanager
    async def _over(self, path: Path) -> AsyncIterator[Checker]:
        yield UserFile(str(path), Hashing(), self.log.append)

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return self._over(self.path)

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return self._over(self.path.with_name("missing"))

    def slow(self) -> None:
        return None


def _ask(checker: UserFile, user: str, password: bytes) -> Verdict:
    return asyncio.run(checker.check(IsPassword(user, Secret(password)), ATTEMPT))


def test_the_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path, told = tmp_path / "users", list[str]()
    checker = UserFile(str(path), Hashing(), told.append)
    assert isinstance(_ask(checker, "anna", b"secret"), Unavailable)  # no file: nobody can say
    path.write_text("anna:{PLAIN}secret\n")
    path.chmod(0o640)
    assert _ask(checker, "anna", b"secret") == Accepted("anna")
    path.write_text("anna:{PLAIN}changed\nben:zzz\n")
    assert _ask(checker, "anna", b"secret") == Refused()
    assert told == [f"{path}, line 2: no scheme: write {{ARGON2ID}}..., {{SHA512-CRYPT}}..., {{PLAIN}}..."]
    path.chmod(0o644)
    _ask(checker, "anna", b"secret")
    assert "chmod o=" in told[-1]


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing"):
        assert isinstance(_ask(UserFile(str(path), Hashing(), print), "anna", b"x"), Unavailable)


def test_too_many_wait(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(f"anna:{stored_password.hashed(b'secret')}\n")

    async def crowd() -> list[Verdict]:
        checker = UserFile(str(path), Hashing(1, waiting=4), print)
        return await asyncio.gather(*(checker.check(IsPassword("anna", Secret(b"secret")), ATTEMPT) for _ in range(20)))

    verdicts = asyncio.run(crowd())
    assert sum(isinstance(verdict, Accepted) for verdict in verdicts) == 4
    assert sum(isinstance(verdict, Unavailable) for verdict in verdicts) == 16


# --- changes ---


def _change(path: Path, *changes: object) -> None:
    for change in changes:
        user_file_edit.change(path, change, (os.getuid(), os.getgid()), patience=0.0)  # type: ignore[arg-type]


def test_a_life_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "users"
    edit = user_file_edit
    _change(path, lambda text: edit.with_password(text, "anna", "{PLAIN}a", new=True))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.write_text(path.read_text() + "# ours\n")
    _change(
        path,
        lambda text: edit.with_password(text, "ben", "{PLAIN}b", new=True),
        lambda text: edit.with_application(text, "anna", "{PLAIN}p", "phone"),
        lambda text: edit.with_application(text, "anna", "{PLAIN}l", "laptop"),
        lambda text: edit.with_password(text, "anna", "{PLAIN}c", new=False),
    )
    assert "# ours\n" in path.read_text()
    assert edit.logins_of(path.read_text()) == ["anna", "ben"]
    assert edit.labels_of(path.read_text(), "anna") == ["phone", "laptop"]
    users = parse(path.read_text())
    assert users.by_login["anna"].stored == "{PLAIN}c"
    _change(path, lambda text: edit.without_application(text, "anna", "phone"))
    assert verdict(parse(path.read_text()), "anna", b"p") == Refused()
    assert verdict(parse(path.read_text()), "anna", b"l") == Accepted("anna")
    _change(path, lambda text: edit.without_user(text, "anna"))
    assert edit.logins_of(path.read_text()) == ["ben"]
    assert "# ours\n" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "change",
    [
        lambda text: user_file_edit.with_password(text, "anna", "{PLAIN}x", new=True),
        lambda text: user_file_edit.with_password(text, "carl", "{PLAIN}x", new=False),
        lambda text: user_file_edit.with_application(text, "carl", "{PLAIN}x", "phone"),
        lambda text: user_file_edit.with_application(text, "anna", "{PLAIN}x", "phone"),
        lambda text: user_file_edit.without_application(text, "anna", "laptop"),
        lambda text: user_file_edit.without_user(text, "carl"),
    ],
)
def test_what_cannot_be_done_changes_nothing(tmp_path: Path, change: object) -> None:
    path = tmp_path / "users"
    path.write_text(FILE)
    with pytest.raises(Refusal):
        _change(path, change)
    assert path.read_text() == FILE


def test_a_line_that_is_wrong_can_be_replaced() -> None:
    text = user_file_edit.with_password("anna:secret\nben:{PLAIN}b", "anna", "{PLAIN}x", new=False)
    assert not parse(text).faults
    assert parse(text).by_login["anna"].stored == "{PLAIN}x"
    assert parse(text).by_login["ben"].stored == "{PLAIN}b"


@pytest.mark.parametrize(
    "login", ["", "a:b", "a\nb", "a\rb", "a\0b", " a", "a ", "#a", "a\x1bb", "a" * 256, "\udcff", "a\u2028b", "\u200eanna"]
)
def test_hostile_names(login: str) -> None:
    with pytest.raises(Refusal):
        user_file_edit.check_login(login)


@pytest.mark.parametrize("login", ["anna", "anna@example.com", "DOMÄNE\\anna", "anna b"])
def test_honest_names(login: str) -> None:
    user_file_edit.check_login(login)


@pytest.mark.parametrize("password", [b"", b"a\nb", b"a\0", b"\xff", b"a" * 512])
def test_passwords_that_nobody_could_send(password: bytes) -> None:
    with pytest.raises(Refusal):
        user_file_edit.check_password(password)


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(["anna", "ben", "x"]))
@example("x", "x")  # half a line of his
def test_a_change_touches_no_other_line(before: str, login: str) -> None:
    others = [line for line in before.split("\n") if line.partition(":")[0] != login]
    after = user_file_edit._replaced(before, user_file.Entry(login, "{PLAIN}new"))
    assert f"{login}:{{PLAIN}}new" in after.split("\n")
    for line in others:
        assert line in after.split("\n")


def test_somebody_else_has_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(FILE)
    with open(tmp_path / "users.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refusal, match="somebody else"):
            _change(path, lambda text: "")
    assert path.read_text() == FILE


def test_a_link_leads_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(FILE)
    (tmp_path / "link").symlink_to("real")
    _change(tmp_path / "link", lambda text: user_file_edit.without_user(text, "ben"))
    assert (tmp_path / "link").is_symlink()
    assert user_file_edit.logins_of((tmp_path / "real").read_text()) == ["anna"]
