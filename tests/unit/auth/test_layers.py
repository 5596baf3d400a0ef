"""Back ends in turn, what is remembered of them, and how long a refusal takes."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.support.checker_contract import ATTEMPT
from tests.support.driven_loop import run

from gatepost.auth.backends.in_turn import InTurn, Named
from gatepost.auth.patient import Patient
from gatepost.auth.port import Attempt, Checker
from gatepost.auth.remembered import Remembered
from gatepost.proto.sasl.port import (
    Accepted,
    HasShown,
    IsPassword,
    Keys,
    PasswordOf,
    Question,
    Refused,
    Secret,
    Unavailable,
    Verdict,
)
from gatepost.state.login_cache import LoginCache

YES, NO, AWAY = Accepted("anna"), Refused(), Unavailable("away")


class Says:
    """A back end that says these, the last for ever. `asked`: by how many questions."""

    def __init__(self, *verdicts: Verdict, answers: Sequence[type[Question]] = (IsPassword,), seconds: float = 0.0) -> None:
        self._verdicts = list(verdicts)
        self._seconds = seconds
        self.answers = frozenset(answers)
        self.asked = 0

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        self.asked += 1
        await asyncio.sleep(self._seconds)
        return self._verdicts.pop(0) if len(self._verdicts) > 1 else self._verdicts[0]


def ask(checker: Checker, user: str = "anna", password: bytes = b"secret") -> Verdict:
    return run(checker.check(IsPassword(user, Secret(password)), ATTEMPT))


def in_turn(*backends: Says) -> InTurn:
    return InTurn([Named(f"file:/{number}", backend) for number, backend in enumerate(backends)], 10.0)


@pytest.mark.parametrize(
    ("said", "together"),
    [
        ((YES,), YES),
        ((NO,), NO),
        ((NO, YES), YES),
        ((AWAY, YES), YES),
        ((AWAY, NO), Unavailable("file:/0: away")),  # never a wrong 535
        ((NO, AWAY), Unavailable("file:/1: away")),
        ((NO, NO), NO),
        ((AWAY, AWAY), Unavailable("file:/1: away")),
    ],
)
def test_several(said: tuple[Verdict, ...], together: Verdict) -> None:
    assert ask(in_turn(*map(Says, said))) == together


def test_who_is_accepted_is_asked_about_no_more() -> None:
    after = Says(NO)
    assert ask(in_turn(Says(YES), after)) == YES
    assert after.asked == 0


def test_one_that_hangs_has_its_time_and_no_more() -> None:
    assert ask(in_turn(Says(NO, seconds=1e6), Says(YES))) == YES
    assert ask(in_turn(Says(NO, seconds=1e6), Says(NO))) == Unavailable("file:/0: no answer within 10 seconds")


def test_a_question_goes_to_those_who_have_answers() -> None:
    hashes, clear = Says(NO), Says(Keys("anna", Secret(b"x")), answers=(IsPassword, PasswordOf))
    both = in_turn(hashes, clear)
    assert both.answers == {IsPassword, PasswordOf}
    assert isinstance(run(both.check(PasswordOf("anna"), ATTEMPT)), Keys)
    assert hashes.asked == 0


# --- remembered ---


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def remembered(backend: Says, clock: Clock, realm: str = "file:/users") -> Remembered:
    return Remembered(backend, LoginCache(clock, lifetime=300, negative_lifetime=60, most=10), lambda attempt: realm)


@pytest.mark.parametrize(("said", "lifetime"), [(YES, 300), (NO, 60)])
def test_it_is_asked_once_in_a_lifetime(said: Verdict, lifetime: float) -> None:
    clock, backend = Clock(), Says(said)
    checker = remembered(backend, clock)
    for _ in range(5):
        assert ask(checker) == said
    assert backend.asked == 1
    ask(checker, password=b"other")
    ask(checker, user="ben")
    assert backend.asked == 3
    clock.now += lifetime + 1
    ask(checker)
    assert backend.asked == 4


def test_who_could_not_say_is_asked_again() -> None:
    backend = Says(AWAY, YES)
    checker = remembered(backend, Clock())
    assert ask(checker) == AWAY
    assert ask(checker) == YES


def test_a_file_that_has_changed_says_it_anew() -> None:
    backend, versions = Says(YES, NO), iter("112")
    checker = Remembered(backend, LoginCache(Clock(), lifetime=300, negative_lifetime=60, most=10), lambda attempt: next(versions))
    assert [ask(checker), ask(checker), ask(checker)] == [YES, YES, NO]


def test_another_name_is_not_remembered() -> None:
    backend = Says(Accepted("anna@example.com"))
    checker = remembered(backend, Clock())
    assert ask(checker) == ask(checker) == Accepted("anna@example.com")
    assert backend.asked == 2


# --- patient ---


@pytest.mark.parametrize(
    ("said", "work", "takes"), [(NO, 0.0, 1.0), (NO, 0.4, 1.0), (NO, 3.0, 3.0), (YES, 0.4, 0.4), (AWAY, 0.4, 0.4)]
)
def test_a_refusal_takes_its_time(said: Verdict, work: float, takes: float) -> None:
    async def timed() -> float:
        clock = asyncio.get_running_loop().time
        begun = clock()
        await Patient(Says(said, seconds=work), 1.0, clock, asyncio.sleep).check(IsPassword("anna", Secret(b"x")), ATTEMPT)
        return clock() - begun

    assert run(timed()) == pytest.approx(takes)


@pytest.mark.parametrize("question", [IsPassword("anna", Secret(b"x")), HasShown("anna", right=False), PasswordOf("anna")])
def test_users_that_there_are_not_are_found_out_by_no_clock(question: Question) -> None:
    """By CRAM-MD5 too: for want of a user's password the challenge is answered wrongly, and that refusal takes its time."""

    async def timed() -> float:
        clock = asyncio.get_running_loop().time
        begun = clock()
        await Patient(Says(NO), 1.0, clock, asyncio.sleep).check(question, ATTEMPT)
        return clock() - begun

    assert run(timed()) == (0.0 if isinstance(question, PasswordOf) else 1.0)
