"""What `gatepost check` finds in the rule files of the filter: lines that were left out, and rules that cannot be run."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.faults import Fault
from gatepost.filter.evals.registry import EVALS
from gatepost.filter.rules import reading, ruleset
from gatepost.filter.rules.ruleset import Ruleset
from gatepost.filter.rules.unrunnable import unrunnable
from gatepost.lookup import pcre2
from gatepost.service.filter_settings import wants_scanner
from gatepost.service.scanner.loading import folders

MOST: Final = 200
"""Of each kind, so many are told."""


class _Folders(Struct, frozen=True):
    filter_rules_directories: tuple[str, ...]


def check_filter_rules(configuration: Configuration) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """What is wrong with the rule files where a service is filtered by them, and which of their rules cannot be run: those are
    settings that are not obeyed, and no fault of whoever wrote them. Nothing is read where nothing is filtered."""
    if not wants_scanner(configuration):
        return (), ()
    rules = reading.read(folders(configuration.view(_Folders).filter_rules_directories))
    wrong = _told(rules.faults, "correct the line, or take it out", "more lines were left out")
    return tuple(wrong), tuple(_unrunnable(rules))


def _unrunnable(rules: Ruleset) -> Iterator[Fault]:
    if pcre2.missing():
        return  # told by whoever checks tables
    found = unrunnable(rules, EVALS)
    named = [ruleset.Fault(fault.where, f"{fault.rule} is not run: {fault.text}") for fault in found]
    yield from _told(named, "", f"more of {len(rules.rules)} rules are not run")


def _told(faults: Iterable[ruleset.Fault], remedy: str, more: str) -> Iterator[Fault]:
    told = list(faults)
    for fault in told[:MOST]:
        file, _, line = fault.where.rpartition(":")
        placed = (file, int(line)) if line.isdecimal() else (fault.where, 0)
        yield Fault(*placed, fault.text, remedy)
    if len(told) > MOST:
        yield Fault(told[-1].where.rpartition(":")[0], 0, f"{len(told) - MOST} {more}")
