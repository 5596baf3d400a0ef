"""postscreen, put together by its builder: the dialogues that were recorded with Debian's, played without a socket in a clock of
its own; then what they do not have."""

import asyncio
from pathlib import Path

import pytest
from tests.support.driven_loop import run
from tests.support.postscreen_scenes import GREET_WAIT, Scene, reply_lines, scenes
from tests.unit.receive.screen import Screen, Wire, played, until

from gatepost.config.configuration import ConfigurationError
from gatepost.receive.postscreen.cache import SPACE
from gatepost.state.port import StateUnavailable

SCENES = [scene for scene in scenes() if "tls" not in " ".join([*scene.settings, *scene.steps])]
"""TLS is for the integration test, where there is some."""


class Player:
    """Plays a scene, as tests/support/postscreen_scenes.py does over sockets."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._source = ""
        self._wire: Wire | None = None
        self._wires: list[Wire] = []

    async def play(self, steps: tuple[str, ...]) -> list[str]:
        went: list[str] = []
        at = 0
        while at < len(steps):
            if steps[at].startswith("<"):
                went += await self._hear()
                at += reply_lines(steps, at)
            else:
                went += [steps[at]] if await self._do(steps[at]) else ["open"]
                at += 1
        for wire in self._wires:
            wire.hang_up()
        await until(lambda: False, 1)
        return went

    async def _do(self, step: str) -> bool:
        word, _, rest = step.partition(" ")
        match word:
            case "from":
                self._source = rest
            case "connect":
                self._wire = self._screen.connect(self._source)
                self._wires.append(self._wire)
                for _ in range(20):
                    await asyncio.sleep(0)
            case ">":
                self.wire.say(rest.encode() + b"\r\n")
            case ">>":
                self.wire.say(rest.encode().decode("unicode_escape").encode("latin-1"))
            case "hangup":
                self.wire.hang_up()
            case "pause":
                await asyncio.sleep(GREET_WAIT + 0.3)
            case "closed":
                await until(lambda: self.wire.closed)
                return self.wire.closed and not self.wire.heard
            case _:
                raise ValueError(step)
        return True

    @property
    def wire(self) -> Wire:
        assert self._wire is not None
        return self._wire

    async def _hear(self) -> list[str]:
        heard: list[str] = []
        wire = self.wire
        while True:
            await until(lambda: b"\n" in wire.heard or wire.closed)
            if b"\n" not in wire.heard:
                return [*heard, "closed"]
            line, _, wire.heard = wire.heard.partition(b"\n")
            heard.append("< " + line.removesuffix(b"\r").decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return heard


@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
def test_it_says_what_debians_says(scene: Scene, tmp_path: Path) -> None:
    async def whole() -> tuple[list[str], list[str]]:
        screen = Screen(tmp_path / "conf", scene.settings, "\n".join(record for record in scene.zone if "DROP" not in record))
        went = await Player(screen).play(scene.steps)
        assert not screen.faults
        return went, screen.log

    went, log = run(whole())
    assert went == list(scene.steps)
    said = [line for line in log if "STRESS" not in line and not line.startswith("warning: haproxy")]
    assert said == list(scene.log)


def test_what_was_said_before_its_turn_is_smtpds_and_no_octet_is_lost(tmp_path: Path) -> None:
    """With `ignore`, while DNS lists are asked; more of it than is kept stays with the system until smtpd reads."""
    said = b"EHLO early.example\r\n" + b"x" * 5000

    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        await asyncio.sleep(0.1)
        wire.say(said[:7])
        wire.say(said[7:])
        assert wire.paused
        await until(lambda: screen.handed_over)
        assert not wire.paused
        await until(lambda: False, 1)

    screen = played(tmp_path, scenes, postscreen_dnsbl_sites="bl.example")
    assert [smtpd.said for smtpd in screen.handed_over] == [said]


def test_half_a_connection_is_handed_over_as_such(tmp_path: Path) -> None:
    """What was said comes first, then that there is no more of it."""

    async def scenes(screen: Screen) -> None:
        wire = screen.connect("192.0.2.1")
        wire.say(b"QUIT\r\n")
        wire.hang_up()
        await until(lambda: wire.closed)
        assert wire.heard.endswith(b"221 2.0.0 Bye\r\n")

    screen = played(tmp_path, scenes, postscreen_access_list="permit_mynetworks")
    assert screen.log[-1] == "ALLOWLISTED [192.0.2.1]:PORT"


def test_whoever_is_there_when_smtpd_is_named_hears_nothing_before_it_has_passed(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        await asyncio.sleep(GREET_WAIT - 0.5)
        assert wire.heard == b"220-mail.example.test ESMTP\r\n"
        assert not screen.handed_over
        await asyncio.sleep(1)
        assert wire.heard.endswith(b"\n220 mail.example.test ESMTP\r\n")

    played(tmp_path, scenes)


def test_a_store_that_is_away_costs_a_test_and_no_more(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        async def gone(*_: object) -> None:
            raise StateUnavailable("gone")

        screen.store.get = screen.store.put = gone  # type: ignore[method-assign,assignment]
        for _ in range(2):
            wire = screen.connect()
            await until(lambda: b"220 " in wire.heard)
            wire.hang_up()

    screen = played(tmp_path, scenes)
    assert [line.split()[0] for line in screen.log] == ["CONNECT", "PASS", "CONNECT", "PASS"]
    assert len(screen.handed_over) == 2


def test_a_store_that_hangs_holds_a_client_up_for_a_second(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        async def hangs(*_: object) -> int:
            await asyncio.sleep(3600)
            return 1

        screen.store.put = hangs  # type: ignore[method-assign]
        wire = screen.connect()
        await asyncio.sleep(GREET_WAIT + 1.2)
        assert b"220 " in wire.heard

    played(tmp_path, scenes)


def test_what_is_kept_and_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        await screen.store.put(SPACE, b"198.51.100.7", b"damage")
        wire = screen.connect()
        await until(lambda: b"220 " in wire.heard)

    assert played(tmp_path, scenes).log[-1] == "PASS NEW [198.51.100.7]:PORT"


@pytest.mark.parametrize(
    ("record", "verdict"), [("SERVFAIL", "PASS NEW [198.51.100.7]:PORT"), ("A 127.0.0.9", "DISCONNECT [198.51.100.7]:PORT")]
)
def test_a_list_that_does_not_answer_lists_nobody(tmp_path: Path, record: str, verdict: str) -> None:
    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        await until(lambda: b"\n220 " in wire.heard or b"\n521 " in wire.heard)

    zone = f"7.100.51.198.bl.example {record}"
    screen = played(tmp_path, scenes, zone, postscreen_dnsbl_sites="bl.example", postscreen_dnsbl_action="drop")
    assert screen.log[-1] == verdict


def test_a_list_that_hangs_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """What has been said when the time before the greeting is over counts."""

    async def scenes(screen: Screen) -> None:
        answers = screen.dns.a

        async def hangs(name: str) -> tuple[str, ...]:
            if name.endswith("hangs.example"):
                await asyncio.sleep(3600)
            return await answers(name)

        screen.dns.a = hangs  # type: ignore[method-assign]
        wire = screen.connect()
        await asyncio.sleep(GREET_WAIT + 0.5)
        assert b"blocked using bl.example" in wire.heard

    sites = "hangs.example bl.example"
    played(tmp_path, scenes, "7.100.51.198.bl.example A 127.0.0.9", postscreen_dnsbl_sites=sites, postscreen_dnsbl_action="drop")


def test_whoever_comes_again_at_once_costs_no_question(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        for _ in range(3):
            wire = screen.connect()
            await until(lambda: wire.closed)
        assert screen.dns.asked == ["7.100.51.198.bl.example A"]

    zone = "7.100.51.198.bl.example A 127.0.0.9"
    played(tmp_path, scenes, zone, postscreen_dnsbl_sites="bl.example bl.example=127.0.0.9*2", postscreen_dnsbl_action="drop")


def test_a_full_service_is_in_stress_and_recovers(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        wires = [screen.connect(f"198.51.100.{number}") for number in range(9)]
        assert screen.service.settings.postscreen_greet_wait == 2
        for wire in wires:
            wire.hang_up()
        await until(lambda: False, 1)
        assert screen.service.settings.postscreen_greet_wait == 6
        assert screen.limit.free

    screen = played(tmp_path, scenes, postscreen_pre_queue_limit="10", postscreen_greet_wait="${stress?{2}:{6}}s")
    assert [line for line in screen.log if "STRESS" in line] == [
        "entering STRESS mode with 9 connections",
        "leaving STRESS mode with 7 connections",
    ]


def test_without_room_a_client_is_turned_away(tmp_path: Path) -> None:
    async def whole() -> None:
        screen = Screen(tmp_path / "conf", {}, limit=1)
        screen.connect()
        wire = screen.connect()
        assert wire.heard.startswith(b"421 ")
        assert screen.log[-1] == "NOQUEUE: reject: CONNECT from [198.51.100.7]: all server ports busy"

    run(whole())


def test_its_end_sends_all_away_whatever_they_are_at(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        speaks = screen.connect("203.0.113.1")
        await until(lambda: b"\n220 " in speaks.heard)
        waits = screen.connect("198.51.100.1")
        await asyncio.sleep(0.1)
        await screen.service.drain(6)
        assert waits.closed
        assert speaks.closed
        assert waits.heard.rpartition(b"\r\n4")[2].startswith(b"21 ")
        assert speaks.heard.rpartition(b"\r\n4")[2].startswith(b"21 ")
        await screen.service.idle()

    played(tmp_path, scenes, postscreen_access_list="cidr:{{203.0.113.0/24 reject}}", postscreen_denylist_action="enforce",
           postscreen_greet_wait="${stress?{1}:{3}}s")  # fmt: skip


def test_a_fault_of_ours_ends_the_one_connection(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        async def broken(*_: object) -> None:
            raise RuntimeError("a fault")

        screen.store.get = broken  # type: ignore[method-assign,assignment]
        wire = screen.connect()
        await until(lambda: wire.closed)
        assert wire.heard == b"421 4.3.2 No system resources\r\n"
        assert [str(fault) for fault in screen.faults] == ["a fault"]
        assert screen.limit.free

    played(tmp_path, scenes)


def test_a_command_that_drips_in_has_the_time_of_one(tmp_path: Path) -> None:
    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        await until(lambda: b"\n220 " in wire.heard)
        began = asyncio.get_running_loop().time()
        while not wire.closed:
            wire.say(b"x")
            await asyncio.sleep(20)
        assert asyncio.get_running_loop().time() - began <= 120

    screen = played(tmp_path, scenes, postscreen_bare_newline_enable="yes", postscreen_command_time_limit="100s")
    assert screen.log[-2] == "COMMAND TIME LIMIT from [198.51.100.7]:PORT after CONNECT"


def test_a_client_that_goes_in_the_very_moment_harms_nobody(tmp_path: Path) -> None:
    """uvloop raises where a closing transport is written to; so does this one."""

    async def scenes(screen: Screen) -> None:
        for moment in (0, 0.01, GREET_WAIT - 0.01, GREET_WAIT + 0.001):
            wire = screen.connect()
            await asyncio.sleep(moment)
            wire.say(b"x" * 5000)
            wire.closed = True  # nobody has been told yet
            await asyncio.sleep(GREET_WAIT + 1)
            wire.protocol.connection_lost(None)
        await until(lambda: False, 1)
        assert not screen.faults

    played(tmp_path, scenes, postscreen_greet_action="drop")


@pytest.mark.parametrize("octets", [b"\r\n" * 30000, b"x" * 300000, b"A:\r\n" * 20000, b"\0" * 9000 + b"\n"])
def test_what_is_no_smtp_ends_soon(octets: bytes, tmp_path: Path) -> None:
    """At most postscreen_command_count_limit lines of it are looked at."""

    async def scenes(screen: Screen) -> None:
        wire = screen.connect()
        await until(lambda: b"\n220 " in wire.heard)
        wire.say(octets)
        await until(lambda: wire.closed, 400)
        assert wire.closed
        assert wire.heard.count(b"\n") < 30

    played(tmp_path, scenes, postscreen_bare_newline_enable="yes")


@pytest.mark.parametrize("sites", ["bl.example*x", "bl.example=127.0.0", "*3", "bl.example=127.0.0.[2..x]"])
def test_a_bad_dns_list_is_refused_at_load_with_its_place(sites: str, tmp_path: Path) -> None:
    async def whole() -> None:
        Screen(tmp_path / "conf", {"postscreen_dnsbl_sites": sites})

    with pytest.raises(ConfigurationError, match=r"main\.cf, line \d+: bad DNS list: "):
        run(whole())


def test_there_is_a_server_for_those_that_pass(tmp_path: Path) -> None:
    async def whole() -> None:
        screen = Screen(tmp_path / "conf", {})
        with pytest.raises(ConfigurationError, match="postscreen has no service smtpd/pass"):
            screen.service.find_successor({})

    run(whole())
