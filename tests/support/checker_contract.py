"""What every back end of log-ins does (auth/port.py, Checker). A back end's tests are a class that inherits these and opens it."""

import asyncio
import traceback
from contextlib import AbstractAsyncContextManager
from typing import Final

import pytest

from gatepost.auth.port import Attempt, Checker
from gatepost.proto.sasl.port import Accepted, IsPassword, Refused, Secret, Unavailable, Verdict
from tests.support.driven_loop import run

ATTEMPT: Final = Attempt("smtp", "PLAIN", "192.0.2.1", "client.test", "192.0.2.25", "mail.example.test", True)
USER: Final = "alice"
PASSWORD: Final = "sec ret\"\\'$(id)*)(%ü".encode()
"""The user's, with what another language might take for its own."""

LIMIT: Final = 60.0
"""Seconds within which every back end has said that the other end is slow, with default parameters."""

HOSTILE_NAMES: Final = (
    *("*", "alice*", "*)(uid=*", "alice)(|(uid=*", "alice' OR '1'='1", 'alice"; --', "alice\\", "../alice", "/etc/passwd", "root"),
    *("%u", "%s%s%n", "alice/../alice", "${user}", "$(id)", "`id`", "-alice", "@", "alice@", "@alice", "a:b", "a,b=c"),
    *("A" * 255, "ä" * 127, "alice ", " alice", "😀"),
)
"""None of them has PASSWORD, and none may break anything."""


class CheckerContract:
    """What a back end's tests say of it.

    - `opened`: the back end, which knows USER and PASSWORD;
    - `away`: the same with nobody at the other end; None: it has no other end;
    - `slow`: the same with somebody who never answers; None likewise;
    - `log`: the lines that it has written;
    - `run`: the loop that it is asked in; a back end with threads needs one whose time is real.
    """

    log: list[str]
    run = staticmethod(run)

    def setup_method(self) -> None:
        self.log = []

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        raise NotImplementedError

    def away(self) -> AbstractAsyncContextManager[Checker] | None:
        raise NotImplementedError

    def slow(self) -> AbstractAsyncContextManager[Checker] | None:
        raise NotImplementedError

    def test_the_right_password(self) -> None:
        assert isinstance(self._ask(self.opened(), USER, PASSWORD), Accepted)

    @pytest.mark.parametrize("password", [b"wrong", PASSWORD + b"x", PASSWORD[:-1], PASSWORD.upper(), b"\xff\xfe", b"x" * 8192])
    def test_a_wrong_password(self, password: bytes) -> None:
        assert isinstance(self._ask(self.opened(), USER, password), Refused)

    def test_a_user_that_nobody_knows_is_refused_in_the_same_words(self) -> None:
        unknown = self._ask(self.opened(), "nobody-of-this-name", PASSWORD)
        assert unknown == self._ask(self.opened(), USER, b"wrong")

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_a_hostile_name(self, name: str) -> None:
        assert isinstance(self._ask(self.opened(), name, PASSWORD), Refused)

    def test_nobody_there(self) -> None:
        if (checker := self.away()) is not None:
            assert isinstance(self._ask(checker, USER, PASSWORD), Unavailable)
            assert isinstance(self._ask(self.away() or checker, USER, b"wrong"), Unavailable)

    def test_no_answer_in_time(self) -> None:
        if (checker := self.slow()) is not None:
            assert isinstance(self._ask(checker, USER, PASSWORD), Unavailable)

    def test_no_text_has_the_password(self) -> None:
        telling = b"never-to-be-seen"
        for checker in (self.opened(), self.away(), self.slow()):
            if checker is not None:
                verdict = self._ask(checker, USER, telling)
                assert telling.decode() not in repr((verdict, self.log, IsPassword(USER, Secret(telling))))

    def _ask(self, checker: AbstractAsyncContextManager[Checker], user: str, password: bytes) -> Verdict:
        async def asked() -> Verdict:
            async with checker as opened:
                assert IsPassword in opened.answers
                loop = asyncio.get_running_loop()
                begun = loop.time()
                verdict = await opened.check(IsPassword(user, Secret(password)), ATTEMPT)
                assert loop.time() - begun <= LIMIT
                return verdict

        try:
            return self.run(asked())
        except Exception as fault:
            assert password.decode("latin-1") not in "".join(traceback.format_exception(fault))
            raise
