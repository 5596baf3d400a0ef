"""One call of `gatepost learn`.

Messages are read with the rights of who calls, and looked into behind a scanner's walls. What there is to learn from them is
learned by mail_owner, whose the store is, in a child: so nothing of mail_owner's is written by root.
"""

import functools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple, cast

from gatepost.cli.command import Command, Fatal
from gatepost.cli.mail_files import messages
from gatepost.filter.bayes import dump
from gatepost.filter.bayes import learning as bayes
from gatepost.filter.bayes.lesson import unpacked as bayes_lesson
from gatepost.filter.bayes.store import Store, open_store
from gatepost.filter.facts import Request
from gatepost.filter.learner import learning as learner
from gatepost.filter.learner.lesson import unpacked as learner_lesson
from gatepost.filter.learner.opinion import share
from gatepost.filter.learner.store import open_weights
from gatepost.filter.lessons import Lessons
from gatepost.filter.port import Session
from gatepost.filter.rules.ruleset import Ruleset
from gatepost.filter.scan import Scanner
from gatepost.filter.scanning import ScanFailed
from gatepost.service.filter_folder import filter_folder
from gatepost.service.learned import LearnedSettings, learner_settings
from gatepost.service.scanner import loading, warmth
from gatepost.service.scanner.apart import Apart
from gatepost.service.scanner.settings import ScannerSettings

_AT_ONCE: Final = 20_000
"""Messages that are shuffled, and learned, together."""
_KINDS: Final = {"--spam": True, "--ham": False, "--forget": None}
_SECOND: Final = 1.0


class _Lesson(NamedTuple):
    """What a message has to teach, and as what; None: to be forgotten."""

    spam: bool | None
    bayes: bytes
    learner: bytes


class Call:
    """`command`: its program and configuration."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._settings = command.configuration.view(LearnedSettings)
        self._folder = filter_folder(self._settings.data_directory)

    def carry_out(self, verb: str, mail: dict[str, list[str]]) -> int:
        """Exit status. Raises Fatal."""
        try:
            if verb == "learn":
                return self._learn(mail)
            if verb == "import":
                return self._import(mail["--import"][0])
            self._command.become_owner()
            return self._dump() if verb == "dump" else self._status()
        except BrokenPipeError:
            return 1  # whoever reads the dump has seen enough
        except OSError as error:
            raise Fatal(f"{error.filename or self._folder}: {error.strerror or error}", logged=False) from None

    def _learn(self, mail: dict[str, list[str]]) -> int:
        scanning = self._command.configuration.view(ScannerSettings)
        warmth.import_all()
        ruleset = loading.load(scanning.filter_rules_directories, scanning.data_directory).ruleset
        make = functools.partial(Lessons, ruleset.options, scanning.filter_scan_size_limit)
        progress = _Progress(self._command.program)
        with Apart(cast(Callable[[], Scanner], make), scanning.filter_scan_time_limit, scanning.filter_scan_memory_limit) as apart:
            lessons: list[_Lesson] = []
            for spam, octets in _in_turn([_of_kind(option, paths) for option, paths in mail.items()]):
                try:
                    facts = apart.scan(Request(Session(received_at=time.time())), octets)
                except ScanFailed as failure:
                    self._command.warn(f"a message was not learned: {failure}", logged=False)
                    continue
                if facts.bayes and facts.learner:
                    lessons.append(_Lesson(spam, facts.bayes.lesson, facts.learner.lesson))
                progress.one_more()
                if len(lessons) == _AT_ONCE:
                    progress.learned(self._teach(lessons, ruleset))
                    lessons = []
            progress.learned(self._teach(lessons, ruleset))
        progress.end()
        return 0

    def _teach(self, lessons: list[_Lesson], ruleset: Ruleset) -> int:
        """Have mail_owner learn them; how many were news."""
        random.shuffle(lessons)
        return self._as_owner(lambda: self._taught(lessons, ruleset))

    def _taught(self, lessons: Sequence[_Lesson], ruleset: Ruleset) -> int:
        kept = [lesson for lesson in lessons if lesson.spam is not None]
        gone = [lesson for lesson in lessons if lesson.spam is None]
        news = 0
        if self._settings.filter_bayes_enable:
            store = open_store(self._folder)
            wanted = [(bayes_lesson(lesson.bayes), bool(lesson.spam)) for lesson in kept if lesson.bayes]
            told = bayes.teach(store, wanted)
            forgotten = bayes.forget(store, [bayes_lesson(lesson.bayes) for lesson in gone if lesson.bayes])
            news = told.learned + told.changed + forgotten
            if (most := _most_tokens(ruleset)) is not None:
                bayes.expire(store, most)
        if self._settings.filter_learner_enable:
            told = learner.teach(self._folder, [(learner_lesson(lesson.learner), bool(lesson.spam)) for lesson in kept])
            forgotten = learner.forget(self._folder, [learner_lesson(lesson.learner) for lesson in gone])
            news = max(news, told.learned + told.changed + forgotten)
        return news

    def _as_owner(self, work: Callable[[], int]) -> int:
        """What `work` returns in a child that is mail_owner. Raises Fatal with what it raised."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.write(writing, json.dumps(_outcome(self._command, work)).encode())
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as stream:
            answer = stream.read(1 << 16)
        os.waitpid(child, 0)
        result, fault = json.loads(answer or '[0, "the child that learns ended before its time"]')
        if fault:
            raise Fatal(fault, logged=False)
        return int(result)

    def _import(self, path: str) -> int:
        with open(path, encoding="latin-1") as lines:
            return self._as_owner(lambda: dump.restore(open_store(self._folder), lines))

    def _dump(self) -> int:
        for line in dump.dump(open_store(self._folder)):
            sys.stdout.write(line)
        return 0

    def _status(self) -> int:
        sys.stdout.writelines(f"{line}\n" for line in self._told(open_store(self._folder), self._folder))
        return 0

    def _told(self, store: Store, place: Path) -> Iterator[str]:
        known = store.learned()
        yield f"Bayes: {known.ham} ham, {known.spam} spam, {store.size()} tokens{_off(self._settings.filter_bayes_enable)}"
        weights = open_weights(place)
        ham, spam = (weights.now.ham, weights.now.spam) if weights else (0, 0)
        points = share(ham, spam, learner_settings(self._settings)) * self._settings.filter_learner_points
        yield f"learner: {ham} ham, {spam} spam; up to {points:.1f} points{_off(self._settings.filter_learner_enable)}"


def _off(enabled: bool) -> str:
    return "" if enabled else "; not asked, by the configuration"


def _outcome(command: Command, work: Callable[[], int]) -> tuple[int, str]:
    """What becomes of it, and what is wrong, empty where nothing is."""
    try:
        command.become_owner()
        return work(), ""
    except (OSError, ValueError, Fatal) as error:
        return 0, str(error)


def _of_kind(option: str, paths: Sequence[str]) -> Iterator[tuple[bool | None, bytes]]:
    for path in paths:
        for octets in messages(path):
            yield _KINDS[option], octets


def _in_turn(kinds: Sequence[Iterator[tuple[bool | None, bytes]]]) -> Iterator[tuple[bool | None, bytes]]:
    """One message of each kind after the other, as long as there are any."""
    for turn in zip_longest(*kinds):
        yield from (one for one in turn if one is not None)


def _most_tokens(ruleset: Ruleset) -> int | None:
    """bayes_expiry_max_db_size; None where nothing is to be forgotten (bayes_auto_expire)."""
    if ruleset.options.get("bayes_auto_expire", ("1",))[-1].strip() == "0":
        return None
    said = ruleset.options.get("bayes_expiry_max_db_size", (str(bayes.MOST),))[-1].strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < 12 else bayes.MOST


class _Progress:
    """How far it is, on a terminal; into a pipe or a file nothing is written."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._wanted = sys.stderr.isatty()
        self._read = self._learned = 0
        self._next = time.monotonic() + _SECOND

    def one_more(self) -> None:
        """A message has been read."""
        self._read += 1
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECOND
            self._show("\r")

    def learned(self, count: int) -> None:
        """So many of those that were read have been learned."""
        self._learned += count

    def end(self) -> None:
        """All is done."""
        self._show("\n")

    def _show(self, end: str) -> None:
        if self._wanted:
            sys.stderr.write(f"{self._program}: {self._read} messages read, {self._learned} learned{end}")
            sys.stderr.flush()
