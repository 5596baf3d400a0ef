"""`gatepost scan`: what the filter makes of messages in files, for people and for programs.

Messages are looked at behind a scanner's walls. They are taken as they stand: nothing is known of a client, or of an envelope.
"""

import asyncio
import functools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.cli.location import configuration_directory
from gatepost.config import loading as configuration_loading
from gatepost.config.configuration import ConfigurationError
from gatepost.filter.contents import LEARNER, contents
from gatepost.filter.counting import AskedNames, with_answers
from gatepost.filter.facts import Facts, Request, ScoredHit
from gatepost.filter.learner.port import Weight
from gatepost.filter.port import Session
from gatepost.filter.scan import Learned, Limits, Scanner
from gatepost.filter.scanning import ScanFailed
from gatepost.net.dns import AresResolver
from gatepost.service.filter_names import NamesSettings
from gatepost.service.learned import LearnedSettings, opened
from gatepost.service.scanner import loading, warmth
from gatepost.service.scanner.apart import Apart
from gatepost.service.scanner.settings import ScannerSettings
from gatepost.service.scanner.settings import limits as limits_of

_USAGE: Final = "usage: gatepost scan [-c config_dir] [--json] [--profile] FILE... (- is standard input)"
_MOST: Final = 1 << 28
"""Octets of a file."""
_DEAREST: Final = 20
"""Rules that a profile names."""


class Judging(Struct, frozen=True):
    """filter_tag2_level, filter_kill_level and filter_spam_destiny: what a score leads to, for recipients without wishes."""

    filter_tag2_level: float
    filter_kill_level: float
    filter_spam_destiny: str

    def action(self, score: float) -> str:
        """What becomes of a message: `pass`, `tag`, or the destiny of spam."""
        if score >= self.filter_kill_level:
            return self.filter_spam_destiny
        return "tag" if score >= self.filter_tag2_level else "pass"


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 where all were scanned; 75 where one could not be, which another try may mend; 66 where a file cannot be read;
    64 for a wrong option, 78 for a wrong configuration."""
    import getopt

    try:
        options, files = getopt.gnu_getopt(argv[1:], "c:", ["json", "profile"])
    except getopt.GetoptError as error:
        return _fatal(f"{error.msg}; {_USAGE}", os.EX_USAGE)
    if not files:
        return _fatal(_USAGE, os.EX_USAGE)
    given = dict(options)
    try:
        configuration = configuration_loading.read(configuration_directory(given.get("-c")))
        settings = configuration.view(ScannerSettings)
        known = configuration.view(LearnedSettings)
        tag2, kill = (float(configuration.value(f"filter_{name}_level")) for name in ("tag2", "kill"))
        judging = Judging(tag2, kill, configuration.value("filter_spam_destiny"))
    except (ConfigurationError, ValueError) as error:
        return _fatal(str(error), os.EX_CONFIG)
    show = as_json if "--json" in given else for_people
    status = 0
    names = configuration.view(NamesSettings)
    with _apart(settings, limits_of(configuration), known) as apart:
        for file in files:
            try:
                octets = _read(file)
                facts = _asked(apart.scan(Request(Session(received_at=time.time()), explain=True), octets), names)
            except ScanFailed as failure:
                status = _fatal(f"{file}: not scanned: {failure}", os.EX_TEMPFAIL)
                continue
            except OSError as error:
                status = _fatal(f"{file}: {error.strerror}", os.EX_NOINPUT)
                continue
            print(show(file, facts, judging))
            if "--profile" in given:
                print("\n".join(profile(facts)))
    return status


def _asked(facts: Facts, settings: NamesSettings) -> Facts:
    """The facts with what the DNS says, where rules want to know it."""
    if not facts.lookups.questions:
        return facts

    async def answered() -> Facts:
        resolver = AresResolver(time.monotonic)
        try:
            asked = AskedNames(resolver, time.monotonic, settings.filter_dns_time_limit, settings.filter_dns_limit)
            return with_answers(facts, await asked.answers(facts))
        finally:
            await resolver.close()

    return asyncio.run(answered())


def _fatal(text: str, status: int) -> int:
    sys.stderr.write(f"gatepost: fatal: {text}\n")
    return status


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(_MOST)
    with open(file, "rb") as stream:
        return stream.read(_MOST)


def _apart(settings: ScannerSettings, limits: Limits, known: LearnedSettings) -> Apart:
    """The scanner of the configuration, with the rules as they are now. Raises OSError."""
    warmth.import_all()
    loaded = loading.load(settings.filter_rules_directories, settings.data_directory)
    warmth.warm(loaded, limits)
    make = functools.partial(_made, loaded, limits, opened(known, make=False))
    return Apart(make, settings.filter_scan_time_limit, settings.filter_scan_memory_limit)


def _made(loaded: loading.Loaded, limits: Limits, learned: Learned) -> Scanner:
    return Scanner(loaded.ruleset, loaded.open(), limits, learned)


def as_json(file: str, facts: Facts, judging: Judging) -> str:
    """One line: `tests` are the rules that score."""
    tests = [
        {"name": hit.rule, "score": hit.score, "description": hit.description, "match": _text(hit.matched)}
        for hit in scoring(facts)
    ]
    score, added = judged(facts)
    learned = [{"name": LEARNER, "score": added, "description": _learner(facts), "match": ""}] if added else []
    return json.dumps(
        {
            "file": file,
            "score": score,
            "required": judging.filter_tag2_level,
            "action": judging.action(score),
            "tests": tests + learned,
            "learner": [[one.token, round(one.weight, 4)] for one in weights(facts)],
            "unexamined": [{"what": one.what, "name": one.name, "why": one.why} for one in facts.unexamined],
            "faults": list(facts.faults),
            "seconds": {name: round(seconds, 6) for name, seconds in facts.seconds.items()},
        }
    )


def for_people(file: str, facts: Facts, judging: Judging) -> str:
    """The score and what becomes of the message, then a line a rule, the weightiest first."""
    score, added = judged(facts)
    lines = [f"{_printable(file)}: {score:.1f} points, {judging.filter_tag2_level:g} are spam: {judging.action(score)}"]
    for hit in scoring(facts):
        lines.append(f"{hit.score:6.1f}  {hit.rule:<30} {hit.description}".rstrip())
        if hit.matched:
            lines.append(f"{'':<8}{_printable(_text(hit.matched).strip())[:100]}")
    if weights(facts):
        lines.append(f"{added:6.1f}  {LEARNER:<30} {_learner(facts)}")
        lines += [f"{one.weight:+14.2f}  {_printable(one.token)[:100]}" for one in weights(facts)]
    lines += [f"not examined: {one.what} {one.name}: {one.why}" for one in facts.unexamined]
    lines += [f"fault: {_printable(fault)}" for fault in facts.faults]
    return "\n".join(lines)


def judged(facts: Facts) -> tuple[float, float]:
    """The score with that of the learner, and what that adds."""
    found = contents(facts, (), None)
    return found.score, sum(test.score for test in found.tests if test.rule == LEARNER)


def weights(facts: Facts) -> tuple[Weight, ...]:
    """The tokens that weighed most with the learner."""
    return facts.learner.tokens if facts.learner is not None else ()


def _learner(facts: Facts) -> str:
    said = facts.learner
    return f"spam with {said.probability:.1%}, learned from {said.ham} ham and {said.spam} spam" if said is not None else ""


def scoring(facts: Facts) -> list[ScoredHit]:
    """The rules that hit and score, the weightiest first."""
    return sorted((hit for hit in facts.hits if hit.score), key=lambda hit: -abs(hit.score))


def profile(facts: Facts) -> Iterator[str]:
    """What took how long: stages, then the dearest rules."""
    for what, seconds in (("stage", facts.seconds), ("rule", facts.costs)):
        for name, took in sorted(seconds.items(), key=lambda one: -one[1])[:_DEAREST]:
            yield f"{took * 1000:10.3f} ms  {what} {name}"


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _printable(text: str) -> str:
    """For a terminal, which hostile text must not control."""
    return "".join(one if one.isprintable() else "?" for one in text)
