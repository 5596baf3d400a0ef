"""Several back ends, asked one after the other until one accepts.

Who is refused by one may be another's user, so that the next is asked. Where none has accepted and one of them could not say,
nobody can say: it might have been that one's user. Of several who refuse, the first who gives a reason is quoted.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from gatepost.auth.port import Attempt, Checker, ScramKeeper
from gatepost.proto.sasl.port import IsPassword, Question, Refused, Unavailable, Verdict
from gatepost.proto.sasl.scram_keys import Decoys, Form


class Named(Struct, frozen=True):
    """A back end by its word in smtpd_auth_backends."""

    word: str
    checker: Checker


class InTurn:
    """A Checker. `time_limit`: seconds for each of them."""

    def __init__(self, backends: Sequence[Named], time_limit: float) -> None:
        self._backends = backends
        self._time_limit = time_limit
        able = [one.checker for one in backends if IsPassword in one.checker.answers]
        keepers = [one for one in able if isinstance(one, ScramKeeper)]
        self._keepers = keepers if len(keepers) == len(able) else []
        self.answers: frozenset[type[Question]] = frozenset().union(*(one.checker.answers for one in backends))

    async def decoys(self) -> Mapping[str, Decoys]:
        """As of ScramDecoys: of all of them together."""
        if not self._keepers:
            return {}
        found = [await one.decoys() for one in self._keepers]
        return {digest: _merged([each[digest] for each in found]) for digest in frozenset(found[0]).intersection(*found)}

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        said: Verdict = Refused()
        for backend in self._backends:
            if type(question) not in backend.checker.answers:
                continue
            verdict = await self._ask(backend, question, attempt)
            if not isinstance(verdict, Refused | Unavailable):
                return verdict
            if isinstance(verdict, Unavailable) or said == Refused():
                said = verdict
        return said

    async def _ask(self, backend: Named, question: Question, attempt: Attempt) -> Verdict:
        try:
            async with asyncio.timeout(self._time_limit):
                verdict = await backend.checker.check(question, attempt)
        except TimeoutError:
            return Unavailable(f"{backend.word}: no answer within {self._time_limit:g} seconds")
        return Unavailable(f"{backend.word}: {verdict.reason}") if isinstance(verdict, Unavailable) else verdict


def _merged(found: list[Decoys]) -> Decoys:
    forms: Counter[Form] = Counter()
    for one in found:
        forms.update(one.forms)
    return Decoys(found[0].key, forms)
