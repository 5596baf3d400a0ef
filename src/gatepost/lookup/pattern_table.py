"""A table of compiled patterns, and how it is asked so that no key can hold the process.

Most searches take a microsecond: they are done at once, with little effort allowed. Where that does not suffice, or for a long
key, the patterns are asked one after the other, each for some beginnings of a match at a time, and others have their turn in
between. What slow patterns take is the session's or message's (pattern_time.py).
"""

import asyncio
from typing import Final

from msgspec import Struct

from gatepost.lookup import pattern_time
from gatepost.lookup.matching import Expression, Groups, Subject, TooMuch, Unanswered
from gatepost.lookup.pattern_process import DEADLINE, process
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.rules import Answer, Program
from gatepost.lookup.sparing import Sparing

_SHORT: Final = 512
"""Octets of a key that is searched at once."""
_ALLOWED: Final = 2e-3
"""Seconds that a lookup may take without being slow …"""
_ALLOWED_EACH: Final = 10e-6
"""… and more for each rule."""
_TURN: Final = 10e-3
"""Seconds after which others have their turn."""
_WORK: Final = 1 << 20
"""Beginnings of a match, times octets of the key, of a first piece: some milliseconds where time grows with the square."""


class Pattern(Struct, frozen=True):
    """An expression, and the line of the table that it stands in."""

    expression: Expression
    line: int


class PatternTable:
    """The result of the first rule that holds for the whole key. `sparing` is told where the time for slow patterns is used up."""

    __slots__ = ("_allowed", "_at_once", "_program", "_sparing", "name", "whole_key")

    def __init__(self, name: str, program: Program, sparing: Sparing) -> None:
        self.name = name
        self.whole_key = True
        self._program = program
        self._sparing = sparing
        self._allowed = _ALLOWED + _ALLOWED_EACH * len(program)
        nothing = Subject(b"")
        self._at_once = all(rule.source.expression.apart(nothing) is None for rule in program)

    async def lookup(self, key: str) -> str | None:
        """Raises LookupFailure where slow patterns have taken too much time."""
        found = await self.find_line(key)
        return found and found[0]

    async def find_line(self, key: str) -> tuple[str, int] | None:
        """As `lookup`: (value, line of its rule)."""
        subject = Subject(key.encode("utf-8", "surrogateescape"))
        try:
            if subject.size <= _SHORT and self._at_once:
                try:
                    return _placed(self._quickly(subject))
                except TooMuch:
                    pass
            return _placed(await self._patiently(subject))
        except LookupFailure as failure:
            self._sparing.warn(None, str(failure))
            raise

    def close(self) -> None:
        pass

    def _quickly(self, subject: Subject) -> Answer | None:
        time = pattern_time.current()
        clock = pattern_time.cpu if time.suspicious else pattern_time.wall
        began = clock()
        answer = self._program.run(subject)
        took = clock() - began
        if took > self._allowed:
            if time.suspicious:
                time.spend(took, self.name)
            time.suspicious = True
        return answer

    async def _patiently(self, subject: Subject) -> Answer | None:
        turns = _Turns(self._allowed, self.name)
        questions = self._program.questions()
        try:
            pattern = next(questions)
            while True:
                try:
                    found = await _search(pattern.expression, subject, turns)
                except Unanswered as reason:
                    turns.spend(reason.seconds)
                    turns.resume()
                    pattern = questions.throw(reason)
                else:
                    pattern = questions.send(found)
        except StopIteration as answered:
            answer: Answer | None = answered.value
            return answer


def _placed(answer: Answer | None) -> tuple[str, int] | None:
    return answer and (answer[0], answer[1].line)


class _Turns:
    """The time of one patient lookup: what is not slow is `allowed`, in seconds. The clock on the wall is asked until it
    says slow."""

    def __init__(self, allowed: float, table: str) -> None:
        self._time = pattern_time.current()
        self._allowed = allowed
        self._table = table
        self.resume()

    def resume(self) -> None:
        """After others had their turn."""
        self._clock = pattern_time.cpu if self._time.suspicious else pattern_time.wall
        self._began = self._since = self._clock()

    def worked(self) -> float:
        """After a piece of work: the seconds that it took. Raises LookupFailure where the time is used up."""
        before, self._since = self._since, self._clock()
        took = self._since - before
        if self._time.suspicious:
            self.spend(took)
        elif took <= self._allowed:
            self._allowed -= took
        else:
            self._time.suspicious = True
            self._allowed = 0.0
        return took

    def spend(self, seconds: float) -> None:
        """Raises LookupFailure where the time is used up."""
        slow = seconds - self._allowed
        self._allowed = max(-slow, 0.0)
        if slow > 0:
            self._time.spend(slow, self._table)

    @property
    def left(self) -> float:
        """Seconds that this lookup may still take."""
        return max(self._time.left + self._allowed, 0.0)

    @property
    def due(self) -> bool:
        """Whether it is time for others."""
        return self._since - self._began > _TURN

    async def next(self) -> None:
        """Let others have their turn."""
        await asyncio.sleep(0)
        self.resume()


async def _search(expression: Expression, subject: Subject, turns: _Turns) -> Groups | None:
    """The first match, sought piece by piece. Raises Unanswered, LookupFailure."""
    recipe = expression.apart(subject)
    if recipe is not None:
        # One that would end is not given up while there is time: a long key must not lead past a rule.
        found, seconds = await process.search(recipe, subject, DEADLINE if recipe.endless else turns.left + DEADLINE)
        turns.spend(seconds)
        turns.resume()
        return found
    start, count = 0, _WORK // (subject.size + 1) if expression.starts else subject.size + 1
    while start <= subject.size:
        try:
            try:
                found = expression.search_between(subject, start, count, thorough=False)
            except TooMuch:
                count = 1 if expression.starts else count
                found = expression.search_between(subject, start, count, thorough=True)
        finally:
            took = turns.worked()
            if turns.due:
                await turns.next()
        if found is not None:
            return found
        start += count
        count = count * 4 if took < _TURN / 10 else max(1, count // 4)
    return None
