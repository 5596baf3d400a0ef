"""Patterns that a key can make slow: they end, are told of, and find nothing; others have their turn; and there is a budget."""

import asyncio
import os
import time

import pytest
from tests.support.drive import drive

from gatepost.lookup import pattern_process, pattern_time, posix_regex
from gatepost.lookup.matching import Subject, Unanswered
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables

# The host name and the attachment rule of header_checks(5) that held a worker for seconds.
HOST = r"^([a-z0-9]+[-.]?)+\.dyn\.example$"
HOST_KEY = "a1b2c3" * 10 + ".dyn.example.org"
ATTACHMENT = r'^Content-(Disposition|Type).*name\s*=\s*"?(.*(\.|=2E)(exe|com|bat|vbs))(\?=)?"?\s*(;|$)'
ATTACHMENT_KEY = "Content-Type: " + "name=a.exe x " * 4800


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(spec: str, warnings: list[str], clock: Clock | None = None) -> Tables:
    tables = Tables(warnings.append, strict=True, clock=clock or Clock())
    tables.open(spec)
    return tables


def test_a_pattern_that_exceeds_its_limit_is_told_and_finds_nothing() -> None:
    warnings: list[str] = []
    spec = f"pcre:{{{{/{HOST}/ hit}} {{/dyn/ next}}}}"
    table = opened(spec, warnings).open(spec)
    assert asyncio.run(table.lookup(HOST_KEY)) == "next"
    assert warnings == [f"pcre map {spec[5:]}, line 1: match limit exceeded"]


@pytest.mark.parametrize("rules", ["{!/%s/ hit}", "{if /%s/} {/a/ hit} {endif}", "{if !/%s/} {/a/ hit} {endif}"])
def test_no_rule_holds_whose_pattern_cannot_tell(rules: str) -> None:
    spec = f"pcre:{{{rules % HOST} {{/dyn/ next}}}}"
    assert asyncio.run(opened(spec, []).open(spec).lookup(HOST_KEY)) == "next"


def test_trouble_with_one_pattern_is_told_once_a_minute() -> None:
    warnings: list[str] = []
    clock = Clock()
    spec = f"pcre:{{{{/{HOST}/ hit}}}}"
    table = opened(spec, warnings, clock).open(spec)
    for _ in range(3):
        asyncio.run(table.lookup(HOST_KEY))
    assert len(warnings) == 1
    clock.now = 61.0
    asyncio.run(table.lookup(HOST_KEY))
    assert len(warnings) == 2


# pattern, a key on which each beginning of a match costs as much as the key is long, or more
SUPERLINEAR = [
    ("pcre", "x.*y[0-9]", "x" * 60000 + "y"),
    ("pcre", "[^@]*x[^@]*y[^@]*z[0-9]", "xy" * 5000 + "z"),
    ("pcre", ATTACHMENT, ATTACHMENT_KEY),
    ("regexp", "x.*y", "x" * 8000),
    ("regexp", "(x+x+)+y", "x" * 60000),
]


@pytest.mark.parametrize(("kind", "pattern", "key"), SUPERLINEAR)
def test_others_have_their_turn(kind: str, pattern: str, key: str) -> None:
    """The longest time that one lookup keeps the loop, by the processor's clock."""
    spec = f"{kind}:{{{{/{pattern}/ hit}}}}"
    table = opened(spec, []).open(spec)

    async def longest() -> float:
        lookup = asyncio.create_task(table.lookup(key))
        most = 0.0
        while not lookup.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            most = max(most, time.thread_time() - before)
        lookup.exception()
        return most

    assert asyncio.run(longest()) < 0.25


def test_slow_patterns_have_a_budget() -> None:
    spec = f"pcre:{{{{/{HOST}/ hit}}}}"
    table = opened(spec, []).open(spec)

    async def session() -> int:
        pattern_time.begin()
        pattern_time.current().left = 0.05
        for asked in range(1000):
            try:
                await table.lookup(HOST_KEY)
            except LookupFailure as failure:
                assert "slow patterns" in failure.why
                # What is quick is still answered.
                assert await table.lookup("short") is None
                return asked
        return 1000

    assert 1 <= asyncio.run(session()) < 100


def test_quick_searches_cost_nothing() -> None:
    spec = "pcre:{{/^never/ hit}}"
    table = opened(spec, []).open(spec)
    with pattern_time.apart():
        for _ in range(10000):
            drive(table.lookup("some key"))
        assert pattern_time.current().left == pattern_time.SECONDS


def test_each_has_its_own_time() -> None:
    with pattern_time.apart():
        mine = pattern_time.current()
        with pattern_time.apart():
            assert pattern_time.current() is not mine
        assert pattern_time.current() is mine


# Back-references: another process.

BACK = r"^(a+)+(b*)\2\1c$"


def test_a_back_reference_is_followed() -> None:
    spec = r"regexp:{{/^(a+)(b)?\1$/ <$1,$2>}}"
    table = opened(spec, []).open(spec)
    assert asyncio.run(table.lookup("aaaa")) == "<aa,>"
    assert asyncio.run(table.lookup("aabaa")) == "<aa,b>"
    assert asyncio.run(table.lookup("aaba")) is None


def test_a_long_key_is_searched_elsewhere() -> None:
    spec = "regexp:{{/x(y)z/ $1}}"
    table = opened(spec, []).open(spec)
    assert asyncio.run(table.lookup("." * 100_000 + "xyz")) == "y"


def test_a_long_key_leads_past_no_rule() -> None:
    """Postfix would find this after a while; a search that is given up counts as all of the time."""
    spec = "regexp:{{/x.*y[0-9]*w/ hit}}"
    warnings: list[str] = []
    table = opened(spec, warnings).open(spec)

    async def ask() -> None:
        pattern_time.begin()
        pattern_time.current().left = 0.01
        await table.lookup("x" * 100_000)

    with pytest.raises(LookupFailure, match="slow patterns"):
        asyncio.run(ask())
    assert warnings == [f"{spec}: slow patterns have taken more than 2 s for one client or message"]


def test_a_back_reference_that_takes_too_long_is_ended() -> None:
    process = pattern_process.PatternProcess()
    slow = posix_regex.Expression(rb"^(.*)(.*)(.*)(.*)(.*)\5\4\3\2\1x$", posix_regex.EXTENDED, captures=False)

    async def ask() -> None:
        with pytest.raises(Unanswered, match="time limit exceeded") as raised:
            await process.search(slow.recipe, Subject(b"ab" * 400), deadline=0.05)
        assert raised.value.seconds == 0.05
        # The next one finds a new process.
        found, _ = await process.search(slow.recipe, Subject(b"x"), deadline=5.0)
        assert found == ()

    asyncio.run(ask())
    process.stop()


def test_where_no_process_can_be_made_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fork", refused)
    expression = posix_regex.Expression(rb"(a)\1", posix_regex.EXTENDED, captures=False)
    with pytest.raises(LookupFailure, match="no process for slow patterns: Operation not permitted"):
        drive(pattern_process.PatternProcess().search(expression.recipe, Subject(b"aa"), 1.0))


def test_the_process_ends_with_its_worker() -> None:
    process = pattern_process.PatternProcess()
    expression = posix_regex.Expression(rb"(a)\1", posix_regex.EXTENDED, captures=False)
    asyncio.run(process.search(expression.recipe, Subject(b"aa"), 5.0))
    connection = process._socket
    assert connection is not None
    connection.close()
    assert os.waitpid(process._child, 0)[1] == 0


def test_the_process_has_no_descriptor_of_its_worker(tmp_path: object) -> None:
    reader, writer = os.pipe()
    process = pattern_process.PatternProcess()
    expression = posix_regex.Expression(rb"(a)\1", posix_regex.EXTENDED, captures=False)
    asyncio.run(process.search(expression.recipe, Subject(b"aa"), 5.0))
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
    process.stop()


def test_a_search_that_is_given_up_leaves_no_answer_for_the_next() -> None:
    process = pattern_process.PatternProcess()
    slow = posix_regex.Expression(rb"^(.*)(.*)(.*)(.*)\4\3\2\1x$", posix_regex.EXTENDED, captures=False)
    quick = posix_regex.Expression(rb"^(a)\1$", posix_regex.EXTENDED, captures=True)

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await process.search(slow.recipe, Subject(b"ab" * 400), deadline=5.0)
        assert (await process.search(quick.recipe, Subject(b"aa"), 5.0))[0] == (b"aa", b"a")

    asyncio.run(ask())
    process.stop()


def test_states_are_forgotten() -> None:
    """The C library keeps each state of a pattern: keys that lead to ever new ones would fill the memory."""
    expression = posix_regex.Expression(rb"^(.*[^a])?a.{20}c", posix_regex.EXTENDED, captures=False)

    def memory() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def attack(number: int) -> None:
        for turn in range(number):
            seed = turn * 7919 + 1
            bits = "".join("ab"[(seed * (n + 3) * (n + 17) >> 5) & 1] for n in range(500))
            expression.search(Subject(bits.encode()))

    attack(200)
    before = memory()
    attack(1000)
    assert memory() - before < 100 << 20
