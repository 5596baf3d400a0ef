"""Leads an SPF evaluation to its end with the answers of a resolver, within a time.

Failure: what the resolver cannot say, or not in time, is TEMPERROR (RFC 7208 §2.6.6, §4.6.4); nobody waits longer for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from gatepost.identity.spf.port import Answer, Plan, Question, Verdict
from gatepost.net.port import DnsFailure, NotFound, Resolver

_VOID = Answer()
_FAILED = Answer(failed=True)


async def _exchangers(resolver: Resolver, name: str) -> tuple[str, ...]:
    return tuple(mx.host for mx in sorted(await resolver.mx(name)))


_WAYS: Mapping[str, Callable[[Resolver, str], Awaitable[tuple[str, ...]]]] = {
    "A": lambda resolver, name: resolver.a(name),
    "AAAA": lambda resolver, name: resolver.aaaa(name),
    "MX": _exchangers,
    "PTR": lambda resolver, name: resolver.ptr(name),
    "TXT": lambda resolver, name: resolver.txt(name),
}


async def conclude(plan: Plan, resolver: Resolver) -> Verdict:
    """What the plan comes to."""
    try:
        questions = next(plan)
        while True:
            if len(questions) == 1:
                answers: tuple[Answer, ...] = (await ask(resolver, questions[0]),)
            else:
                answers = tuple(await asyncio.gather(*(ask(resolver, question) for question in questions)))
            questions = plan.send(answers)
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict
    finally:
        plan.close()


async def ask(resolver: Resolver, question: Question) -> Answer:
    """The answer of the DNS; whatever it is, it is a value."""
    try:
        return Answer(await _WAYS[question.record](resolver, question.name))
    except NotFound:
        return _VOID
    except DnsFailure:
        return _FAILED
