"""What becomes of messages on their way out, and how often: once a message, and not before a server waits for it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.smtp_servers import CLOSE, EHLO, SILENCE, Bench, Net, Rules, Server, request, run

from gatepost.deliver.outgoing import Outgoing
from gatepost.lookup.port import LookupFailure
from gatepost.mail.content import Content, MemoryContent
from gatepost.mail.delivery import DeliveryRequest, Report

OLD = "250-mx\r\n250 SIZE"
"""A server without 8BITMIME and PIPELINING."""
EIGHT = b"Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nna\xefve\r\n"
MISCONFIGURED = "4 4.3.0 mail system configuration error"


class Counted:
    """Checks that put a line on top, or fail; and how often they were asked. `slow`: turns of the loop that they take."""

    def __init__(self, fails: list[Exception] | None = None, slow: int = 0) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self._fails = fails or []
        self._slow = slow

    async def __call__(self, content: Content, queue_id: str) -> Content:
        self.asked += 1
        self.begun.set()
        for _ in range(self._slow):
            await asyncio.sleep(0)
        if self._fails:
            raise self._fails.pop(0)
        return MemoryContent(b"X: y\r\n" + content.read())


class Table:
    """A generic map with one address; `asked`: for what."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def lookup(self, address: str) -> list[str] | None:
        self.asked.append(address)
        return ["public@a.test"] if address == "s@z.test" else None


def outgoing(folder: Path, checks: Any = None, table: Any = None) -> Outgoing:
    return Outgoing(staging=lambda: folder / "staged", checks=checks, generic_map=table)


def to_each(whole: DeliveryRequest, *nexthops: str) -> list[DeliveryRequest]:
    """One request for each next hop, for the recipient of that number."""
    return [replace(whole, recipients=(whole.recipients[n],), nexthop=to) for n, to in enumerate(nexthops)]


def told(reports: Any) -> list[str]:
    found: list[Report] = list(reports)
    return [f"{r.outcome.cls.value} {r.outcome.enhanced} {r.outcome.text}" for r in sorted(found, key=lambda r: r.recipient.index)]


@pytest.mark.parametrize("in_turn", [False, True])
def test_fifty_destinations_cost_one_transformation(tmp_path: Path, in_turn: bool) -> None:
    async def scene() -> None:
        checks = Counted(slow=3)
        names = [f"mx{n}" for n in range(50)]
        servers = {name: Server({"EHLO": OLD} if n % 2 else {}) for n, name in enumerate(names)}
        bench = Bench(Net(**{name: [server] for name, server in servers.items()}), outgoing=outgoing(tmp_path, checks))
        whole = request("", [f"x@{name}.test" for name in names], EIGHT, encoding="8bit")
        requests = to_each(whole, *(f"[{name}]:2526" for name in names))
        if in_turn:
            for one in requests:
                await bench.agent.deliver(one)
        else:
            await asyncio.gather(*map(bench.agent.deliver, requests))
        assert checks.asked == 1
        seven = EIGHT.replace(b"8bit", b"quoted-printable").replace(b"\xef", b"=EF")
        assert [servers[name].content for name in names] == [b"X: y\r\n" + EIGHT, b"X: y\r\n" + seven] * 25
        await bench.agent.close()

    run(scene)


@pytest.mark.parametrize(
    "rules",
    [{"CONNECT": "421 no"}, {"MAIL": "450 no"}, {"RCPT": "450 no"}, {"DATA": "450 no"}, {"RCPT": "450 no", "EHLO": OLD}],
)  # fmt: skip
def test_a_server_that_takes_nobody_costs_no_transformation(tmp_path: Path, rules: Rules) -> None:
    async def scene() -> None:
        checks = Counted()
        bench = Bench(Net(mx=[Server(rules)]), outgoing=outgoing(tmp_path, checks))
        assert (await bench.told())[0].startswith("4 ")
        assert checks.asked == 0

    run(scene)


def test_a_second_exchanger_gets_what_was_made_for_the_first(tmp_path: Path) -> None:
    async def scene() -> None:
        checks, table = Counted(), Table()
        servers = [Server({".": "451 4.3.0 later"}), Server({})]
        net = Net(one=servers[:1], two=servers[1:])
        bench = Bench(net, outgoing=outgoing(tmp_path, checks, table))
        assert (await bench.told("two.test:2526"))[0][0] == "2"
        assert checks.asked == 1
        assert table.asked.count("s@z.test") == 1
        assert [server.commands[1] for server in servers] == ["MAIL FROM:<public@a.test> SIZE=22"] * 2

    run(scene)


@pytest.mark.parametrize("error", [LookupFailure("hash:x", "gone"), OSError(28, "No space left on device")])
def test_a_form_that_cannot_be_made_costs_one_attempt(tmp_path: Path, error: Exception) -> None:
    """Nothing of the message is sent, not even its end; refused recipients hear the server's word; the next attempt tries again."""

    async def scene() -> None:
        checks = Counted([error])
        servers = [Server({"RCPT": ["550 5.1.1 no", "250 ok"]}), Server({"RCPT": "250 ok"})]
        bench = Bench(Net(mx=list(servers)), outgoing=outgoing(tmp_path, checks))
        whole = request("[mx]:2526", ["a@y.test", "b@y.test"])
        first = told(await bench.agent.deliver(whole))
        assert first == ["5 5.1.1 host mx[mx] said: 550 5.1.1 no (in reply to RCPT TO command)", MISCONFIGURED]
        assert servers[0].commands[-1] == "DATA"
        assert servers[0].content == b""
        assert [line[0] for line in told(await bench.agent.deliver(whole))] == ["2", "2"]
        assert checks.asked == 2
        assert servers[1].content.startswith(b"X: y\r\n")

    run(scene)


@pytest.mark.parametrize("recipients", [["a@y.test"], ["a@y.test", "b@y.test"]])
def test_a_form_that_cannot_be_made_on_a_kept_connection_costs_one_attempt(tmp_path: Path, recipients: list[str]) -> None:
    """Where every recipient was accepted, none is left to answer for when the form fails."""

    async def scene() -> None:
        checks = Counted()
        server = Server({})
        bench = Bench(Net(mx=[server]), outgoing=outgoing(tmp_path, checks), smtp_connection_cache_destinations="[mx]:2526")
        first = request("[mx]:2526", ["x@y.test"])
        assert [line[0] for line in told(await bench.agent.deliver(first))] == ["2"]
        checks._fails.append(OSError(28, "No space left on device"))
        assert told(await bench.agent.deliver(request("[mx]:2526", recipients, EIGHT))) == [MISCONFIGURED] * len(recipients)
        await bench.agent.close()

    run(scene)


def test_a_failure_is_everybodys_who_waits(tmp_path: Path) -> None:
    async def scene() -> None:
        checks = Counted([LookupFailure("hash:x", "gone")], slow=20)
        net = Net(one=[Server({})], two=[Server({})])
        bench = Bench(net, outgoing=outgoing(tmp_path, checks))
        requests = to_each(request("", ["a@y.test", "b@y.test"]), "[one]:2526", "[two]:2526")
        found = await asyncio.gather(*map(bench.agent.deliver, requests))
        assert [told(reports) for reports in found] == [[MISCONFIGURED], [MISCONFIGURED]]
        assert checks.asked == 1

    run(scene)


def test_whoever_is_cancelled_takes_nobody_along(tmp_path: Path) -> None:
    async def scene() -> None:
        checks = Counted(slow=50)
        bench = Bench(Net(one=[Server({})], two=[Server({})]), outgoing=outgoing(tmp_path, checks))
        requests = to_each(request("", ["a@y.test", "b@y.test"]), "[one]:2526", "[two]:2526")
        tasks = [asyncio.ensure_future(bench.agent.deliver(one)) for one in requests]
        await checks.begun.wait()
        tasks[0].cancel()
        assert [line[0] for line in told(await tasks[1])] == ["2"]
        assert checks.asked == 1

    run(scene)


@pytest.mark.parametrize("gone", [CLOSE, SILENCE])
def test_a_server_that_leaves_while_the_form_is_made(tmp_path: Path, gone: str) -> None:
    """It is lost, or out of patience with us; nothing is sent to where nobody is."""

    async def scene() -> None:
        server = Server({})
        release = asyncio.Event()

        async def checks(content: Content, queue_id: str) -> Content:
            if gone == CLOSE:
                server.close()
            await release.wait()
            return content

        bench = Bench(Net(mx=[server]), outgoing=outgoing(tmp_path, checks), smtp_data_xfer_timeout=0.05)
        asyncio.get_running_loop().call_later(0.2, release.set)
        (line,) = await bench.told()
        assert line.startswith("4 4.4.2 ")
        assert "sending message body" in line
        assert server.content == b""

    run(scene)


def test_a_server_that_is_slow_to_read_gets_no_empty_message(tmp_path: Path) -> None:
    """The transport lets go while the form is still being made: that is no reason to end the message."""

    async def scene() -> None:
        server = Server({})

        async def checks(content: Content, queue_id: str) -> Content:
            server._protocol.pause_writing()  # type: ignore[attr-defined]
            server._protocol.resume_writing()  # type: ignore[attr-defined]
            return MemoryContent(b"X: y\r\n" + content.read())

        bench = Bench(Net(mx=[server]), outgoing=outgoing(tmp_path, checks))
        assert (await bench.told())[0][0] == "2"
        assert server.content == b"X: y\r\nSubject: x\r\n\r\nhello\r\n"

    run(scene)


def test_what_needs_no_change_is_sent_as_it_is(tmp_path: Path) -> None:
    async def scene() -> None:
        server = Server({})
        bench = Bench(Net(mx=[server]), outgoing=outgoing(tmp_path, table=Table()))
        assert (await bench.told(body=b"From: other@a.test\r\n\r\nhello\r\n"))[0][0] == "2"
        assert server.content == b"From: other@a.test\r\n\r\nhello\r\n"

    run(scene)


def test_a_probe_transforms_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        checks = Counted()
        bench = Bench(Net(mx=[Server({})]), outgoing=outgoing(tmp_path, checks))
        assert (await bench.told(probe=True))[0][0] == "2"
        assert checks.asked == 0

    run(scene)


@pytest.mark.parametrize("hello", [EHLO, OLD])
def test_a_recipient_who_cannot_be_named_shifts_no_answers(tmp_path: Path, hello: str) -> None:
    async def scene() -> None:
        bench = Bench(
            Net(mx=[Server({"EHLO": hello, "RCPT": ["550 5.1.1 no", "250 ok"]})]),
            outgoing=outgoing(tmp_path, Counted([LookupFailure("hash:x", "gone")])),
        )
        lines = await bench.told(recipients=("x\n@y.test", "a@y.test", "b@y.test"))
        assert [line.split()[1] for line in lines] == ["5.1.3", "5.1.1", "4.3.0"]

    run(scene)
