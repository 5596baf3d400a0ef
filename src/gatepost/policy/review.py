"""What is wrong with the restriction lists of a service, found by compiling them only: nothing is opened, nobody is asked."""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping

from gatepost.lookup import braces, inline
from gatepost.lookup.fail import FailTable, unavailable
from gatepost.lookup.port import Table
from gatepost.net.connect import SocketConnector
from gatepost.net.dns import AresResolver
from gatepost.net.stream_client import Network
from gatepost.policy.access import is_action
from gatepost.policy.compiler import Compiler, Complaint, run_class
from gatepost.policy.evaluation import Rule
from gatepost.policy.lists import GUARDS, RELAY, Lists, are_guarded, compile_lists
from gatepost.policy.policy_servers import PolicyServers
from gatepost.policy.settings import PolicySettings
from gatepost.policy.sources import Materials

NO_ACTIONS: Mapping[str, str] = {}


def review(
    settings: PolicySettings, classes: Mapping[str, str], service: str, actions: Mapping[str, str] = NO_ACTIONS
) -> tuple[Complaint, ...]:
    """Everything that is wrong. `classes`: the definition of each of smtpd_restriction_classes; `service`: its name, for words;
    `actions`: right-hand sides of access(5) that are values of parameters, by parameter."""
    compiler = Compiler(_dry(settings), classes)
    lists = compile_lists(compiler, settings)
    _review_answers(compiler, lists)
    for parameter, action in actions.items():
        _review_answer(compiler, parameter, action)
    if are_guarded(lists):
        return tuple(compiler.faults)
    remedy = f"put one of these into {RELAY}, not after warn_if_reject: {', '.join(sorted(GUARDS))}"
    return (*compiler.faults, Complaint(RELAY, f"service {service} would relay for everybody", remedy))


def _review_answers(compiler: Compiler, lists: Lists) -> None:
    """Compile what access tables answer, as far as the lists spell it out, to find actions that nobody knows."""
    for parameter, rules in lists.items():
        for rule in _all(rules):
            if isinstance(rule.argument, FailTable):
                for answer in _spelled_out(rule.argument.name):
                    _review_answer(compiler, parameter, answer)


def _review_answer(compiler: Compiler, parameter: str, answer: str) -> None:
    if not is_action(answer) and ":" not in answer:
        compiler.compile(answer, parameter)


def _all(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules, and those of the classes that they name."""
    for rule in rules:
        yield rule
        if rule.check is run_class:
            yield from _all(rule.argument)


def _spelled_out(spec: str) -> Iterator[str]:
    """The answers of a table that stands in the list itself."""
    kind, _, name = spec.partition(":")
    if kind == "inline":
        with contextlib.suppress(ValueError):  # which is told when the table is opened
            yield from (value for _, value in inline.parse(name))
    elif kind == "static":
        with contextlib.suppress(ValueError):
            yield braces.unbrace(name) if name.startswith("{") else name


class _Unopened:
    """Tables that nobody will ask; whether they are there is a question of its own (config/check.py)."""

    def open(self, spec: str) -> Table:
        return unavailable(spec, "it is not opened")


def _nobody() -> Network:
    """Policy servers are opened as well, and not asked."""
    return Network(SocketConnector(), AresResolver(time.monotonic), time.monotonic, asyncio.sleep, random.random)


def _dry(settings: PolicySettings) -> Materials:
    return Materials(
        settings=settings,
        tables=_Unopened(),
        policy_servers=PolicyServers(settings, _nobody(), lambda line: None),
        sleep=asyncio.sleep,
        emit=lambda event: None,
    )
