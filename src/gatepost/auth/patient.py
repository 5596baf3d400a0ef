"""A refusal takes the same time whatever it is for: whoever tries names learns from no clock which of them there are."""

from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.auth.port import Attempt, Checker
from gatepost.proto.sasl.port import HasShown, IsPassword, IsToken, Question, Refused, Verdict


class Patient:
    """A Checker over another. What keys a user has is answered at once: the client's answer is refused later (HasShown), if it is.
    `delay`: seconds from the question to a refusal, at least; `clock`: seconds; `sleep`: waits."""

    def __init__(
        self, checker: Checker, delay: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._checker = checker
        self._delay = delay
        self._clock = clock
        self._sleep = sleep
        self.answers = checker.answers

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        begun = self._clock()
        verdict = await self._checker.check(question, attempt)
        if isinstance(verdict, Refused) and isinstance(question, _LAST):
            left = begun + self._delay - self._clock()
            if left > 0:
                await self._sleep(left)
        return verdict


_LAST: Final = IsPassword | IsToken | HasShown
"""Questions whose answer the client hears."""
