"""postscreen under hostile hands: tables that break in the very moment, answers that nobody asked for, clients of odd manners."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import structs
from tests.support.driven_loop import run
from tests.unit.receive.screen import Screen, played, until

from gatepost.lookup.port import LookupFailure
from gatepost.receive.postscreen import results
from gatepost.receive.postscreen.cache import ResultCache
from gatepost.receive.postscreen.engine import Engine, EngineRules, Line
from gatepost.receive.postscreen.port import Lookups, Ports
from gatepost.receive.session_limit import SessionLimit, TurnedAway

LISTED = "7.100.51.198.bl.example A 127.0.0.9"


async def _broken(*_: object) -> Any:
    raise RuntimeError("broken")


async def _away(*_: object) -> Any:
    raise LookupFailure("ldap:away", "connection refused")


def _ports(screen: Screen, **changes: Any) -> None:
    """Other questions of the service than its builder made."""
    lookups = {name: value for name, value in changes.items() if name in Lookups.__struct_fields__}
    ports = {name: value for name, value in changes.items() if name in Ports.__struct_fields__}
    before = screen.service.ports
    screen.service.ports = structs.replace(before, lookups=structs.replace(before.lookups, **lookups), **ports)


def test_a_footer_that_breaks_is_one_fault_and_not_many(tmp_path: Path) -> None:
    """What is said where our own code breaks must not need what is broken."""

    async def scenes(screen: Screen) -> None:
        _ports(screen, footer=_broken)
        wire = screen.connect()
        wire.say(b"EHLO early\r\n")
        await until(lambda: wire.closed, 5)
        assert wire.closed
        assert wire.heard.endswith(b"421 4.3.2 No system resources\r\n")
        assert len(screen.faults) == 1
        assert screen.limit.free

    played(tmp_path, scenes, postscreen_greet_action="drop")


@pytest.mark.parametrize("name", ["access", "may_pass", "forbidden", "discard_keywords", "command_filter", "footer"])
@pytest.mark.parametrize("how", [_broken, _away])
def test_whatever_table_fails_the_client_hears_a_reply_and_ends(tmp_path: Path, name: str, how: Any) -> None:
    """A table that does not answer is no fault of ours; nobody is let in for it who would not have been."""

    async def scenes(screen: Screen) -> None:
        _ports(screen, **{name: how})
        wire = screen.connect()
        await until(lambda: wire.closed or b"\n220 " in wire.heard)
        for line in (b"EHLO x.example\r\n", b"Foo: bar\r\n", b"QUIT\r\n"):
            wire.say(line)
            await until(lambda: False, 0.1)
        await until(lambda: wire.closed)
        assert wire.closed
        assert not screen.handed_over
        assert len(screen.faults) == (how is _broken)
        assert screen.limit.free

    played(tmp_path, scenes, postscreen_non_smtp_command_enable="yes", postscreen_bare_newline_enable="yes")


def test_a_reply_map_that_fails_neither_saves_a_client_nor_tells_the_name_of_the_list(tmp_path: Path) -> None:
    """The map hides a domain that has a password in it (postscreen_dnsbl_reply_map)."""

    async def scenes(screen: Screen) -> None:
        lists = screen.service.ports.dns_lists
        assert lists is not None
        lists._shown = _away
        for _ in range(2):
            wire = screen.connect()
            await until(lambda: wire.closed)
            assert wire.heard.endswith(b"521 5.7.1 Service unavailable; client [198.51.100.7] blocked using a DNS list\r\n")
        assert not screen.faults

    played(tmp_path, scenes, LISTED, postscreen_dnsbl_sites="bl.example", postscreen_dnsbl_action="drop")


def test_many_answers_of_a_list_are_counted_once(tmp_path: Path) -> None:
    """A list weighs what its line says, however many addresses it answers; and the log has a bounded number of lines."""
    zone = "\n".join(f"7.100.51.198.bl.example A 127.0.{number >> 8}.{number & 255}" for number in range(2000))

    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        await until(lambda: b"\n220 " in wire.heard)

    screen = played(tmp_path, scenes, zone, postscreen_dnsbl_sites="bl.example=127.0.[0..255].[0..255]*2",
                    postscreen_dnsbl_threshold="3", postscreen_dnsbl_action="drop")  # fmt: skip
    assert not [line for line in screen.log if line.startswith("DNSBL")]
    assert len(screen.events) < 120


def test_a_resolver_that_breaks_is_a_fault_and_the_others_count(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        answers = screen.dns.a

        async def breaks(name: str) -> tuple[str, ...]:
            if name.endswith("broken.example"):
                raise RuntimeError("broken")
            return await answers(name)

        screen.dns.a = breaks  # type: ignore[method-assign]
        wire = screen.connect()
        await until(lambda: wire.closed)
        assert b"blocked using bl.example" in wire.heard
        assert [str(fault) for fault in screen.faults] == ["broken"]

    played(tmp_path, scenes, LISTED, postscreen_dnsbl_sites="broken.example bl.example", postscreen_dnsbl_action="drop")


def test_who_speaks_and_closes_its_half_at_once_has_spoken_early(tmp_path: Path) -> None:
    """A zombie that sends all it has and hangs up: also where that comes before we have looked it up."""

    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        wire.say(b"EHLO User\r\n")
        wire.hang_up()
        await until(lambda: wire.closed)

    screen = played(tmp_path, scenes, postscreen_greet_action="drop")
    assert [line.split()[0] for line in screen.log] == ["CONNECT", "PREGREET", "DISCONNECT"]


def test_smtpd_that_is_full_turns_away_and_the_client_counts_no_more(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        said: list[str] = []
        screen.service.successor = cast(Any, SimpleNamespace(take_over=lambda told: TurnedAway(b"421 busy\r\n", said.append)))
        wire = screen.connect("192.0.2.1")
        await until(lambda: wire.closed)
        assert wire.heard == b"421 busy\r\n"
        assert said == ["192.0.2.1"]
        assert screen.limit.free

    played(tmp_path, scenes, postscreen_access_list="permit_mynetworks")


def test_smtpd_that_breaks_is_a_fault_of_one_connection(tmp_path: Path) -> None:
    async def whole() -> None:
        screen = Screen(tmp_path / "conf", {"postscreen_access_list": "permit_mynetworks"}, limit=1)

        def dead(told: object) -> asyncio.Protocol:
            raise RuntimeError("dead")

        screen.service.successor = cast(Any, SimpleNamespace(take_over=dead))
        for _ in range(3):
            wire = screen.connect("192.0.2.1")
            await until(lambda: wire.closed, 5)
            assert wire.closed
            assert wire.heard == b"421 4.3.2 No system resources\r\n"
        assert len(screen.faults) == 3
        await screen.service.idle()

    run(whole())


def test_smtpd_that_breaks_when_the_wait_is_over_ends_the_connection(tmp_path: Path) -> None:
    """The same in a callback of the clock, where no task is that would tell."""

    async def scenes(screen: Screen) -> None:
        def dead(told: object) -> asyncio.Protocol:
            raise RuntimeError("dead")

        screen.service.successor = cast(Any, SimpleNamespace(take_over=dead))
        screen.service.rules = {test: structs.replace(rule, ttl=0.0) for test, rule in screen.service.rules.items()}
        wire = screen.connect()
        await until(lambda: wire.closed, 20)
        assert wire.closed
        assert len(screen.faults) == 1
        assert screen.limit.free

    played(tmp_path, scenes)


def test_limits_are_kept_by_a_crowd_that_says_nothing(tmp_path: Path) -> None:
    """Half of what the line may have: the room of the others is not taken."""

    async def whole() -> None:
        room = SessionLimit(10_000)
        screen = Screen(tmp_path / "conf", {"postscreen_pre_queue_limit": "50", "postscreen_client_connection_count_limit": "10"})
        screen.service._limit = room
        wires = [screen.connect(f"198.51.100.{number % 20}") for number in range(300)]
        await asyncio.sleep(1)
        open_ = [wire for wire in wires if not wire.closed]
        assert len(open_) < 50
        assert len([wire for wire in wires if b"All screening ports are busy" in wire.heard]) >= 250
        for wire in open_:
            wire.hang_up()
        await screen.service.idle()
        wire = screen.connect("203.0.113.1")
        await until(lambda: b"\n220 " in wire.heard)
        assert len(screen.handed_over) == 1

    run(whole())


def test_starttls_ahead_of_commands_forgets_them() -> None:
    """RFC 3207 §4.2: what was said in the clear behind STARTTLS is never a command."""
    rules = EngineRules("mx.test", 2048, 0, True, False, False, True, True, True)
    engine = Engine(rules, frozenset(results.Test))
    engine.feed(b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n")
    told = []
    for one in engine.lines():
        if isinstance(one, Line):
            told.append(one.text)
            if engine.answer(one.text).starts_tls:
                engine.purge()
    assert told == ["EHLO a", "STARTTLS"]


@pytest.mark.parametrize(
    ("zone", "ttl"),
    [
        ("", 3600),
        ("bl.example SOA 600\nother.example SOA 900\n", 600),
        ("bl.example SOA 5\n", 60),
        ("bl.example SOA 99999\n", 3600),
        ("bl.example SOA 600\nother.example SERVFAIL\n", 600),
        ("7.100.51.198.other.example A 127.0.0.2\nbl.example SOA 3000\n", 1800),
    ],
)
def test_a_pass_of_dns_lists_counts_as_long_as_they_say(tmp_path: Path, zone: str, ttl: float) -> None:
    """The shortest lifetime of an answer, between postscreen_dnsbl_min_ttl and _max_ttl."""

    async def scenes(screen: Screen) -> None:
        screen.dns.ttl = 1800 if "127.0.0.2" in zone else 100_000
        wire = screen.connect()
        await until(lambda: bool(screen.handed_over) or wire.closed)
        passed = await ResultCache(screen.store, 0.0).get("198.51.100.7")
        assert passed[results.Test.DNSBL] - asyncio.get_running_loop().time() == pytest.approx(ttl, abs=10)

    played(tmp_path, scenes, zone, postscreen_dnsbl_sites="bl.example other.example", postscreen_dnsbl_threshold="2")
