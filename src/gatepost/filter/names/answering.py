"""Questions asked of the DNS, all at once and no longer than rules say, and which rules the answers hit.

An answer that fails, or does not come in time, is no hit. How long is waited: rbl_timeout (perldoc Mail::SpamAssassin::Conf): the
fewer questions are open, the shorter.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.names.hosts import public, reversed_address
from gatepost.filter.names.questions import Fit, Lookups, Question, Step, Then, Want
from gatepost.filter.names.subtests import fits
from gatepost.filter.port import Hit
from gatepost.net.port import MX, DnsFailure, NotFound, Resolver

_RECORDS_LIMIT: Final = 100
_FOLLOWED: Final = 8
"""Values of an answer from which further questions are made."""
_MORE: Final = 4
"""How many questions there may be for one of the scanner's, on average, with those that follow from answers."""
_ASKED: Final[Mapping[str, Callable[[Resolver, str], Awaitable[Sequence[object]]]]] = {
    "A": lambda resolver, name: resolver.a(name),
    "AAAA": lambda resolver, name: resolver.aaaa(name),
    "MX": lambda resolver, name: resolver.mx(name),
    "NS": lambda resolver, name: resolver.ns(name),
    "TXT": lambda resolver, name: resolver.txt(name),
}


class Answers(Struct, frozen=True):
    """What came of a message's questions.

    hits: rules that hit, each once.
    asked: how many questions, those that followed included.
    unanswered: how many failed or were given up.
    """

    hits: tuple[Hit, ...] = ()
    asked: int = 0
    unanswered: int = 0


class _Answer(Struct, frozen=True):
    """code: the response code, None where nothing is known."""

    question: Question
    records: tuple[str, ...] = ()
    code: int | None = None


def patience(open_part: float, longest: float, least: float) -> float:
    """Seconds that are waited from the beginning on, where `open_part` of the questions, 0 to 1, are open."""
    return least + (longest - least) * (1 - (1 - open_part) ** 2)


async def answers(lookups: Lookups, resolver: Resolver, now: Callable[[], float], time_limit: float) -> Answers:
    """Ask. Never raises but for being cancelled.

    now: seconds of any clock that goes forward.
    time_limit: seconds, whatever rules say.
    """
    if not lookups.questions:
        return Answers()
    round_ = _Round(lookups, resolver)
    began = now()
    try:
        while round_.open:
            limit = min(time_limit, patience(len(round_.open) / round_.asked, lookups.longest, lookups.least))
            done, _ = await asyncio.wait(round_.open, timeout=max(0.0, began + limit - now()), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for task in done:
                round_.take(task)
    finally:
        unanswered = await round_.end()
    return Answers(tuple(round_.hits()), round_.asked, unanswered)


class _Round:
    """The questions about one message, and what is known so far."""

    def __init__(self, lookups: Lookups, resolver: Resolver) -> None:
        self.open: dict[asyncio.Task[_Answer], Question] = {}
        self.asked = 0
        self._resolver = resolver
        self._most = _MORE * (5 + len(lookups.questions))
        self._known: dict[tuple[str, str], frozenset[Want]] = {}
        self._found: dict[str, Hit] = {}
        self._absent: dict[str, bool] = {}
        self._failed = 0
        for question in lookups.questions:
            self._absent.update((want.rule, True) for want in question.wants if want.fit is Fit.ABSENT)
            self._ask(question)

    def _ask(self, question: Question) -> None:
        """Where an answer leads to a name more than once, it is asked again only for what else is wanted of it."""
        key = (question.name, question.record)
        before = self._known.get(key, frozenset())
        if self.asked >= self._most or (key in self._known and not set(question.wants) - before and not question.then):
            return
        self._known[key] = before | frozenset(question.wants)
        self.asked += 1
        self.open[asyncio.ensure_future(_answer(question, self._resolver))] = question

    def take(self, task: "asyncio.Task[_Answer]") -> None:
        """Count an answer, and ask what follows from it."""
        del self.open[task]
        answer = task.result()
        self._failed += answer.code is None
        for want in answer.question.wants:
            if want.fit is Fit.ABSENT:
                self._absent[want.rule] &= answer.code is not None and not answer.records
            elif answer.code is not None and (record := fits(want, answer.records, answer.code)) is not None:
                self._found.setdefault(want.rule, Hit(want.rule, matched=f"{answer.question.name}: {record}".encode()))
        for question in _following(answer):
            self._ask(question)

    async def end(self) -> int:
        """Give up what is still open; how many questions have no answer."""
        for task, question in self.open.items():
            task.cancel()
            self._absent.update((want.rule, False) for want in question.wants if want.fit is Fit.ABSENT)
        await asyncio.gather(*self.open, return_exceptions=True)
        return self._failed + len(self.open)

    def hits(self) -> Iterator[Hit]:
        yield from self._found.values()
        yield from (Hit(rule) for rule, absent in self._absent.items() if absent)


async def _answer(question: Question, resolver: Resolver) -> _Answer:
    ask = _ASKED.get(question.record)
    if ask is None:
        return _Answer(question)
    try:
        found = await ask(resolver, question.name)
    except NotFound as failure:
        return _Answer(question, code=0 if failure.exists else 3)
    except DnsFailure:
        return _Answer(question)
    return _Answer(question, tuple(map(_text, found[:_RECORDS_LIMIT])), 0)


def _text(record: object) -> str:
    return record.host if isinstance(record, MX) else str(record)


def _following(answer: _Answer) -> Iterator[Question]:
    """What an answer leads to."""
    values = answer.records[:_FOLLOWED]
    for then in answer.question.then:
        if then.step is Step.ADDRESS and answer.question.record == "NS":
            for host in values:
                yield Question(host, "A", then=(then,))
        else:
            yield from _in_list(then, values)


def _in_list(then: Then, values: Sequence[str]) -> Iterator[Question]:
    for value in values:
        if then.step is not Step.ADDRESS:
            yield Question(f"{value.lower()}.{then.zone}", then.record, then.wants)
        elif public(value) and (backwards := reversed_address(value)):
            yield Question(f"{backwards}.{then.zone}", then.record, then.wants)
