"""check_policy_service over real sockets: the action, or the default action, and what the log says."""

import asyncio
from pathlib import Path

import pytest
from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns
from tests.support.settings import default
from tests.support.stream_servers import Behave, Reader, Writer, closing, endless, listening, resetting, silent

from gatepost.net.connect import SocketConnector
from gatepost.net.stream_client import Network
from gatepost.policy.policy_servers import PolicyServers, ServiceOptions, options_of, read
from gatepost.policy.policy_service import PolicyService, owner
from gatepost.policy.settings import PolicySettings

DEFAULT = "451 4.3.5 Server configuration problem"


def answering(answer: bytes, *, end: bool = False) -> Behave:
    async def behave(reader: Reader, writer: Writer) -> None:
        while await reader.readuntil(b"\n\n"):
            writer.write(answer)
            if end:
                return

    return behave


WELL = answering(b"action=DUNNO\n\n")


class Gate:
    """A service of smtpd with one policy server, and its log."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.log: list[str] = []
        main = {
            "queue_directory": str(folder),
            "smtpd_recipient_restrictions": "check_policy_service unix:socket",
            "smtpd_data_restrictions": "check_policy_service unix:socket",
        }
        settings = default(PolicySettings, **{**main, **changes})
        loop = asyncio.get_running_loop()
        network = Network(SocketConnector(), FakeDns(""), loop.time, asyncio.sleep, lambda: 0.0)
        self.servers = PolicyServers(settings, network, self.log.append)
        self.service = self.servers.open("unix:socket")

    async def ask(self, client: str = "192.0.2.1") -> str:
        return await self.service.action({"request": "smtpd_access_policy"}, client)


TROUBLE = "problem talking to server socket: "


@pytest.mark.parametrize(
    ("behave", "lines"),
    [
        (closing, [f"{TROUBLE}Application error"]),
        (resetting, [f"{TROUBLE}Connection reset by peer"]),
        (silent, [f"{TROUBLE}Connection timed out"] * 2),
        (endless, [f"{TROUBLE}Application error"]),
        (answering(b"nonsense\n\n"), ["missing attribute action in input from socket"] * 2 + [f"{TROUBLE}Application error"]),
        (
            answering(b"action=DU", end=True),
            ["premature end-of-input on socket while reading input attribute value"] * 2 + [f"{TROUBLE}Application error"],
        ),
    ],
)
def test_no_usable_answer_is_the_default_action(tmp_path: Path, behave: Behave, lines: list[str]) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, behave) as peer:
            gate = Gate(tmp_path)
            assert await gate.ask() == DEFAULT
            assert peer.accepted == 2
            if behave is not resetting:  # whose last word depends on who is faster
                assert gate.log == lines
            peer.behave = WELL
            assert await gate.ask() == "DUNNO"

    run(play())


def test_nobody_there(tmp_path: Path) -> None:
    async def play() -> None:
        gate = Gate(tmp_path, smtpd_policy_service_try_limit="3")
        begun = asyncio.get_running_loop().time()
        assert await gate.ask() == DEFAULT
        assert asyncio.get_running_loop().time() - begun == pytest.approx(2, abs=0.1)  # two pauses
        assert gate.log == ["connect to socket: No such file or directory"] * 3 + [f"{TROUBLE}No such file or directory"]

    run(play())


@pytest.mark.parametrize("action", [DEFAULT, "REJECT away", "DUNNO"])
def test_who_is_away_has_the_declared_action_and_two_lines(tmp_path: Path, action: str) -> None:
    """Never another one: a server that is away lets nobody pass whom the administrator did not let pass."""

    async def play() -> None:
        async with listening("unix", tmp_path, closing) as peer:
            gate = Gate(tmp_path, smtpd_policy_service_default_action=action, smtpd_policy_service_try_limit="1")
            for client in range(5):
                assert await gate.ask(f"192.0.2.{client}") == action
            for client in range(200):
                assert await gate.ask(f"192.0.2.{client}") == action
            assert peer.accepted == 6  # the sixth client asked for all the others
            before = len(gate.log)
            assert gate.log[5:-1] == [
                "smtpd_recipient_restrictions smtpd_data_restrictions check_policy_service: server socket counts as away after 5"
                " failures (Connection closed by peer): asked again every 10 s, with the failure action meanwhile"
            ]
            peer.behave = answering(b"action=REJECT seen\n\n")
            await asyncio.sleep(12)
            assert [await gate.ask() for _ in range(3)] == ["REJECT seen"] * 3
            (back,) = gate.log[before:]
            assert back.endswith("check_policy_service: server socket answers again after 12 s")

    run(play())


def test_with_no_failure_limit_each_is_asked(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, closing) as peer:
            gate = Gate(tmp_path, helper_failure_limit="0", smtpd_policy_service_try_limit="1")
            for client in range(20):
                assert await gate.ask(f"192.0.2.{client}") == DEFAULT
            assert peer.accepted == 20

    run(play())


def test_one_client_has_half_of_the_connections(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, silent) as peer:
            gate = Gate(tmp_path, helper_connection_limit="4")
            flood = [asyncio.create_task(gate.ask(f"2001:db8:1:2::{client:x}")) for client in range(1, 20)]
            await asyncio.sleep(1)
            assert peer.accepted == 2  # however many addresses of its network it has
            peer.behave = WELL
            assert await gate.ask("192.0.2.1") == "DUNNO"
            for task in flood:
                task.cancel()
            await asyncio.gather(*flood, return_exceptions=True)

    run(play())


def test_one_set_of_connections_for_a_server(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("unix", tmp_path, WELL) as peer:
            gate = Gate(tmp_path)
            assert gate.servers.open("unix:socket") is gate.service
            other = gate.servers.open("{unix:socket, policy_context=other}")
            assert isinstance(other, PolicyService)
            assert (other.server, other.context) == ("unix:socket", "other")
            for service in (gate.service, other, gate.service, other):
                assert await service.action({"a": "b"}, "192.0.2.1") == "DUNNO"
            assert peer.accepted == 2

    run(play())


def test_options() -> None:
    defaults = options_of(default(PolicySettings))
    assert read("unix:p", defaults) == ("unix:p", defaults)
    server, options = read("{ inet:h:1, timeout=10s, {default_action = 450 later}, try_limit=1, {max_idle = 2m} }", defaults)
    assert server == "inet:h:1"
    assert (options.timeout, options.default_action, options.try_limit, options.max_idle) == (10, "450 later", 1, 120)
    assert options.max_ttl == defaults.max_ttl


@pytest.mark.parametrize(
    "text",
    [
        "{unix:socket",
        "{unix:socket, nonsense}",
        "{unix:socket, colour=red}",
        "{unix:socket, timeout=soon}",
        "{inet:h:nosuch}",
        "{}",
        "",
    ],
)
def test_what_names_no_server(tmp_path: Path, text: str) -> None:
    async def play() -> None:
        with pytest.raises(ValueError):
            Gate(tmp_path).servers.open(text)

    run(play())


def test_whom_a_question_counts_for() -> None:
    assert owner("192.0.2.1") == "192.0.2.1"
    assert owner("2001:db8:1:2::1") == owner("2001:db8:1:2:ffff::9") != owner("2001:db8:1:3::1")
    assert owner("unknown") == "unknown"
    assert owner("x:y") == "x:y"


def test_the_options_are_those_of_the_parameters() -> None:
    assert {f"smtpd_policy_service_{name}" for name in ServiceOptions.__struct_fields__} <= set(PolicySettings.__struct_fields__)
