"""What back ends said a short while ago is not asked again: neither of a right password, nor of a wrong one."""

from collections.abc import Callable

from gatepost.auth.port import Attempt, Checker
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Verdict
from gatepost.state.login_cache import LoginCache


class Remembered:
    """A Checker over another. `realm`: what else its answer depends on now, for an attempt."""

    def __init__(self, checker: Checker, cache: LoginCache, realm: Callable[[Attempt], str]) -> None:
        self._checker = checker
        self._cache = cache
        self._realm = realm
        self.answers = checker.answers

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        if not isinstance(question, IsPassword):
            return await self._checker.check(question, attempt)
        login = f"{attempt.service} {self._realm(attempt)}", question.user, question.password.octets.decode("latin-1")
        right = self._cache.find(*login)
        if right is not None:
            return Accepted(question.user) if right else Refused()
        verdict = await self._checker.check(question, attempt)
        if isinstance(verdict, Refused):
            self._cache.remember(*login, right=False)
        elif verdict == Accepted(question.user):  # who is known by another name is asked for anew: only the back end knows that
            self._cache.remember(*login, right=True)
        return verdict
