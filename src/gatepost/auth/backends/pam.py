"""`pam`: the system's PAM, which the process with privileges asks (service/agent/pam.py): modules read files that root alone may
read, and may do anything else."""

from collections.abc import Awaitable, Callable

from gatepost.auth.port import Attempt
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Unavailable, Verdict

AskPam = Callable[[str, str, bytes, str], Awaitable[bool | str]]
"""(service, user, password, address of the client): whether PAM lets him in; in words why nobody can say."""


class Pam:
    """A Checker. `ask`: within its own time limit."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(self, ask: AskPam) -> None:
        self._ask = ask

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        answer = await self._ask(attempt.service, question.user, question.password.octets, attempt.client_address)
        if isinstance(answer, str):
            return Unavailable(answer)
        return Accepted(question.user) if answer else Refused()
