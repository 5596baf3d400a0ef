"""Gates and guards that do as a test says."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, View

Look = Callable[[ProtocolStage, View], Awaitable[Finding]]
Answer = Finding | Exception | Look


class Faults(list[str]):
    def __call__(self, fault: BaseException, consequence: str) -> None:
        self.append(f"{type(fault).__name__}: {consequence}")


async def forever(*_: object) -> Finding:
    await asyncio.Event().wait()
    return NOTHING_FOUND


class Scripted:
    """A gate with a guard for each session, which says, raises or does the same at all stages, or what a mapping has for one.

    `sessions`: what each guard was asked and told, in the order of their coming: `MAIL <a@b>` , `reset`, `close`.
    """

    def __init__(
        self,
        name: str = "scripted",
        answer: Answer | Mapping[ProtocolStage, Answer] = NOTHING_FOUND,
        *,
        stages: Sequence[ProtocolStage] = tuple(ProtocolStage),
        time_limit: float | None = None,
        on_failure: FailureAction = FailureAction.TEMPFAIL,
    ) -> None:
        self.name = name
        self.stages = frozenset(stages)
        self.time_limit = time_limit
        self.on_failure = on_failure
        self.answer = answer
        self.sessions: list[list[str]] = []

    @property
    def asked(self) -> int:
        """How often somebody wanted to know."""
        return sum(word not in ("reset", "close") for session in self.sessions for word in session)

    def guard(self) -> "_Guard":
        self.sessions.append([])
        return _Guard(self, self.sessions[-1])


class _Guard:
    def __init__(self, gate: Scripted, seen: list[str]) -> None:
        self._gate = gate
        self._seen = seen

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        self._seen.append(" ".join((stage.value, *view.words)))
        answer = self._gate.answer
        if isinstance(answer, Mapping):
            answer = answer.get(stage, NOTHING_FOUND)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Finding) else await answer(stage, view)

    def reset(self) -> None:
        self._seen.append("reset")

    def close(self) -> None:
        self._seen.append("close")
