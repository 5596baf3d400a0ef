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

DIFFERENCE: Final = 0.5
"""Seconds between what is and what is not known: half of the time that a refusal takes."""

HOSTILE_NAMES: Final = (
    *("*", "alice*", "*)(uid=*", "alice)(|(uid=*", "alice' OR '1'='1", 'alice"; --', "alice\\", "../alice", "/etc/passwd", "root"),
    *("%u", "%s%s%n", "alice/../alice", "${user}", "$(id)", "`id`", "-alice", "@", "alice@", "@alice", "a:b", "a,b=c"),
    *("A" * 255, "ä" * 127, "alice ", " alice", "😀"),
)
"""None of them has PASSWORD, and none may break anything."""

WRONG_PASSWORDS: Final = (
    *(b"wrong", PASSWORD + b"x", PASSWORD[:-1], PASSWORD.upper(), b"\xff\xfe", b"x" * 8192),
    *(b"\0", PASSWORD + b"\0", PASSWORD + b"\0x", b"\0" + PASSWORD, PASSWORD + b"\n", PASSWORD + b"\r", b" " + PASSWORD),
    *(b"*", b"x", b"!", b"{PLAIN}x", b"' OR '1'='1", b'" OR ""="', b"%s%n", b"\t\tuser=alice\n", PASSWORD * 2),
)
"""None of them is PASSWORD, whatever a back end's language makes of them (features.md §3.3, class 7)."""


class CheckerContract:
    """What a back end's tests say of it.

    - `user`: whom the back end knows, with PASSWORD; `attempt`: by which he is asked about;
    - `opened`: the back end;
    - `away`: the same with nobody at the other end; None: it has no other end;
    - `slow`: the same with somebody who never answers; None likewise;
    - `log`: the lines that it has written;
    - `run`: the loop that it is asked in; a back end with threads needs one whose time is real.
    """

    user = USER
    attempt = ATTEMPT
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
        assert isinstance(self._ask(self.opened(), self.user, PASSWORD), Accepted)

    @pytest.mark.parametrize("password", WRONG_PASSWORDS)
    def test_a_wrong_password(self, password: bytes) -> None:
        assert isinstance(self._ask(self.opened(), self.user, password), Refused)

    def test_a_user_that_nobody_knows_is_refused_in_the_same_words(self) -> None:
        unknown = self._ask(self.opened(), "nobody-of-this-name", PASSWORD)
        assert unknown == self._ask(self.opened(), self.user, b"wrong")

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_a_hostile_name(self, name: str) -> None:
        assert isinstance(self._ask(self.opened(), name, PASSWORD), Refused)

    def test_nobody_there(self) -> None:
        if (checker := self.away()) is not None:
            assert isinstance(self._ask(checker, self.user, PASSWORD), Unavailable)
            assert isinstance(self._ask(self.away() or checker, self.user, b"wrong"), Unavailable)

    def test_no_answer_in_time(self) -> None:
        if (checker := self.slow()) is not None:
            assert isinstance(self._ask(checker, self.user, PASSWORD), Unavailable)

    def test_no_text_has_the_password(self) -> None:
        telling = b"never-to-be-seen"
        for checker in (self.opened(), self.away(), self.slow()):
            if checker is not None:
                verdict = self._ask(checker, self.user, telling)
                assert telling.decode() not in repr((verdict, self.log, IsPassword(self.user, Secret(telling))))

    def test_no_clock_tells_who_there_is(self) -> None:
        """A refusal takes smtpd_auth_refusal_delay, a second, from the question on (auth/patient.py): that covers what finding out
        about a user takes longer than that there is none (class 24). The quickest of some tries counts."""

        async def scene() -> list[float]:
            async with self.opened() as checker:
                return [await self._quickest(checker, user) for user in (self.user, "nobody-of-this-name")]

        known, unknown = self.run(scene())
        assert abs(known - unknown) < DIFFERENCE

    async def _quickest(self, checker: Checker, user: str) -> float:
        """Seconds from a wrong password to its refusal."""
        loop, taken = asyncio.get_running_loop(), []
        for number in range(3):
            begun = loop.time()
            assert isinstance(await self._check(checker, user, b"wrong %d" % number), Refused)
            taken.append(loop.time() - begun)
        return min(taken)

    def test_questions_at_one_time_have_their_own_answers(self) -> None:
        asked = [(self.user, PASSWORD), (self.user, b"wrong"), ("nobody-of-this-name", PASSWORD)] * 4

        async def scene() -> list[Verdict]:
            async with self.opened() as checker:
                return await asyncio.gather(*(self._check(checker, *one) for one in asked))

        wanted = [Accepted, Refused, Refused] * 4
        assert [type(verdict) for verdict in self.run(scene())] == wanted

    @pytest.mark.parametrize("turns", [1, 2, 5, 20])
    def test_who_leaves_in_the_middle_leaves_no_answer_to_the_next(self, turns: int) -> None:
        """What is still to come of the question of somebody who hung up is not taken for the answer to another (class 24)."""

        async def scene() -> list[Verdict]:
            async with self.opened() as checker:
                for password in (PASSWORD, b"wrong"):
                    leaving = asyncio.ensure_future(self._check(checker, self.user, password))
                    for _ in range(turns):
                        await asyncio.sleep(0.001 if turns > 5 else 0)
                    leaving.cancel()
                    await asyncio.wait([leaving])
                return [await self._check(checker, self.user, password) for password in (b"wrong", PASSWORD, b"wrong")]

        assert [type(verdict) for verdict in self.run(scene())] == [Refused, Accepted, Refused]

    async def _check(self, checker: Checker, user: str, password: bytes) -> Verdict:
        return await checker.check(IsPassword(user, Secret(password)), self.attempt)

    def _ask(self, checker: AbstractAsyncContextManager[Checker], user: str, password: bytes) -> Verdict:
        async def asked() -> Verdict:
            async with checker as opened:
                assert IsPassword in opened.answers
                loop = asyncio.get_running_loop()
                begun = loop.time()
                verdict = await self._check(opened, user, password)
                assert loop.time() - begun <= LIMIT
                return verdict

        try:
            return self.run(asked())
        except Exception as fault:
            assert password.decode("latin-1") not in "".join(traceback.format_exception(fault))
            raise
