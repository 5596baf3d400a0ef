"""postgrey's lists: what each form of entry lists, as observed of postgrey 1.37."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from tests.support.settings import default

from gatepost.lookup.blocking import BlockingCalls
from gatepost.lookup.table_text import read_file
from gatepost.policy.greylist import whitelist_files
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.policy.greylist.whitelists import ClientList, RecipientList, entries

RECIPIENTS = (
    "abuse@x.test", "abuse+e@x.test", "abuse@sub.x.test", "ABUSE@X.TEST", "xabuse@x.test", "bob@x.test", "bob+y@x.test",
    "bob-y@x.test", "bob@sub.x.test", "bob@xx.test", "abuse", "bob@x.test.org", "",
)  # fmt: skip
CLIENTS = (
    ("192.0.2.1", "unknown"), ("192.0.2.10", "mx.x.test"), ("192.0.20.1", "x.test"), ("10.192.0.2", "fx.test"),
    ("2001:db8::1", "MX.X.TEST"), ("2001:db8:1::1", "mx.x.test.org"),
)  # fmt: skip


def listed_recipients(text: str) -> list[int]:
    warned: list[str] = []
    one = RecipientList(entries("list", text), warned.append)
    return [number for number, recipient in enumerate(RECIPIENTS) if asyncio.run(one.lists(recipient))]


def listed_clients(text: str, warned: list[str] | None = None) -> list[int]:
    one = ClientList(entries("list", text), ([] if warned is None else warned).append)
    return [number for number, (address, name) in enumerate(CLIENTS) if asyncio.run(one.lists(name, ip_address(address)))]


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("abuse@", [0, 1, 2, 3]),
        ("x.test", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("bob@x.test", [5, 6]),
        ("BOB@X.TEST", [5, 6]),
        ("  bob@x.test  # why", [5, 6]),
        ("/^bob@/", [5, 8, 9, 11]),
        ("/^bob@/ # why", [5, 8, 9, 11]),
        ("/X\\.TEST$/", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("bob@", [5, 6, 8, 9, 11]),
        ("bob+y@x.test", [6]),
        ("abuse+e@", [1]),
        ("sub.x.test", [2, 8]),
        *(
            (nothing, [])
            for nothing in (".x.test", "@x.test", "abuse", "# bob@x.test", "/^bob", "/bob@/i", "x.test.", "a b c", "/(/")
        ),
    ],
)
def test_recipients(text: str, listed: list[int]) -> None:
    assert listed_recipients(text) == listed


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("192.0.2.1", [0]),
        ("192.0.2", [0, 1]),
        ("192.0.2.0/24", [0, 1]),
        ("192.0.2.1/24", [0, 1]),
        ("192.0.2.8/29", [1]),
        ("192.0.2.1/32 # why", [0]),
        ("0.0.0.0/0", [0, 1, 2, 3]),
        ("2001:db8::/48", [4]),
        ("2001:DB8:0::1", [4]),
        ("[2001:db8::1]", [4]),
        ("x.test", [1, 2, 4]),
        ("X.TEST\n192.0.2.1", [0, 1, 2, 4]),
        ("test", [1, 2, 3, 4]),
        ("unknown", [0]),
        ("/^mx\\./", [1, 4, 5]),
        ("/MX/", [1, 4, 5]),
        *((nothing, []) for nothing in ("192.0.2.", "192.0", "192", ".x.test", "mx.", "/^192/", "2001:db8", "192.0.2.0/33")),
        *(
            (nothing, [])
            for nothing in ("192.0.2.1 x", "!192.0.2.1", "2001:db8::/129", "192.0.2.0/255.255.255.0", "/(/", "/", "//x")
        ),
    ],
)
def test_clients(text: str, listed: list[int]) -> None:
    assert listed_clients(text) == listed


@pytest.mark.parametrize("mistake", ["/(/", "/^mx", "192.0.2.0/33", "192.0.2.1 x", "2001:db8::/129"])
def test_a_mistake_costs_its_line_and_is_told_with_file_and_line(mistake: str) -> None:
    warned: list[str] = []
    assert listed_clients(f"# comment\n{mistake}\nx.test\n", warned) == [1, 2, 4]
    assert len(warned) == 1
    assert warned[0].startswith("list, line 2: ")


def test_many_mistakes_are_few_lines_of_the_log() -> None:
    warned: list[str] = []
    assert listed_clients("/(/\n" * 500 + "x.test\n", warned) == [1, 2, 4]
    assert len(warned) == 21
    assert warned[-1] == "480 more lines with mistakes are left out"
    assert listed_clients(f"/({'x' * 9000}/\nx.test\n", warned) == [1, 2, 4]
    assert len(warned[-1]) < 400


def test_patterns_are_bounded() -> None:
    """Each is compiled at once when the file has changed, and nested repeats take their time."""
    warned: list[str] = []
    text = "".join(f"/^host{number}\\.y\\.test$/\n" for number in range(2100))
    listed_clients(text, warned)
    assert ": more than 2000 patterns: the line is left out" in warned[0]
    assert warned[-1] == "80 more lines with mistakes are left out"


def test_files_are_read_again_when_they_change_and_local_ones_beside_them(tmp_path: Path) -> None:
    now = [0.0]
    warned: list[str] = []
    settings = msgspec.structs.replace(
        default(GreylistSettings),
        greylist_whitelist_clients=(f"{tmp_path}/clients",),
        greylist_whitelist_recipients=(f"{tmp_path}/recipients",),
    )
    (tmp_path / "recipients").write_text("a@x.test\n")
    one = Whitelists(settings, warned.append, lambda: now[0])

    def lists(recipient: str) -> bool:
        return asyncio.run(_lists(one, recipient))

    assert warned == []  # nobody has asked
    assert (lists("a@x.test"), lists("b@x.test")) == (True, False)
    assert [f"{tmp_path}/clients is not there" in text for text in warned] == [True]
    (tmp_path / "recipients.local").write_text("b@x.test\n")
    now[0] = 2.0
    assert (lists("a@x.test"), lists("b@x.test")) == (True, True)
    (tmp_path / "recipients").unlink()
    now[0] = 4.0
    assert (lists("a@x.test"), lists("b@x.test")) == (False, True)
    (tmp_path / "recipients").mkdir()
    now[0] = 6.0
    assert lists("b@x.test")


async def _lists(one: Whitelists, recipient: str) -> bool:
    return await (await one.current())[1].lists(recipient)


def _of(tmp_path: Path, warned: list[str], clock: Callable[[], float], calls: BlockingCalls) -> Whitelists:
    settings = msgspec.structs.replace(
        default(GreylistSettings), greylist_whitelist_clients=(), greylist_whitelist_recipients=(f"{tmp_path}/recipients",)
    )
    return Whitelists(settings, warned.append, clock, calls)


@pytest.mark.parametrize("path", ["/dev/zero", "FIFO", "socket"])
def test_what_is_no_file_is_not_read(path: str, tmp_path: Path) -> None:
    """Reading a FIFO would wait for a writer, and a device may never end."""
    warned: list[str] = []
    if path == "FIFO":
        os.mkfifo(tmp_path / "recipients")
    elif path == "socket":
        socket.socket(socket.AF_UNIX).bind(f"{tmp_path}/recipients")
    else:
        (tmp_path / "recipients").symlink_to(path)
    one = _of(tmp_path, warned, lambda: 0.0, BlockingCalls(1, 60))
    assert not asyncio.run(_lists(one, "a@x.test"))
    assert [f"open {tmp_path}/recipients: not a regular file: it lists nobody"] == warned


def test_the_null_device_is_an_empty_list(tmp_path: Path) -> None:
    warned: list[str] = []
    settings = msgspec.structs.replace(
        default(GreylistSettings), greylist_whitelist_clients=("/dev/null",), greylist_whitelist_recipients=("/dev/null",)
    )
    assert not asyncio.run(_lists(Whitelists(settings, warned.append, lambda: 0.0), "a@x.test"))
    assert warned == []


def test_while_a_list_is_read_what_was_read_before_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, go_on = [0.0], threading.Event()
    warned: list[str] = []
    (tmp_path / "recipients").write_text("a@x.test\n")
    one = _of(tmp_path, warned, lambda: now[0], BlockingCalls(1, 60))

    async def scene() -> tuple[bool, bool, bool]:
        assert await _lists(one, "a@x.test")
        (tmp_path / "recipients").write_text("bb@x.test\n")
        monkeypatch.setattr(whitelist_files, "read_file", lambda path, spec: go_on.wait(60) and read_file(path, spec))
        now[0] = 2.0
        who_looks = asyncio.create_task(_lists(one, "bb@x.test"))
        await asyncio.sleep(0)
        others = await _lists(one, "a@x.test"), await _lists(one, "bb@x.test")
        go_on.set()
        return *others, await who_looks

    assert asyncio.run(scene()) == (True, False, True)
    assert warned == []


def test_a_file_system_that_hangs_is_told_once_and_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, go_on = [0.0], threading.Event()
    warned: list[str] = []
    (tmp_path / "recipients").write_text("a@x.test\n")
    monkeypatch.setattr(whitelist_files, "read_file", lambda path, spec: go_on.wait(60) and read_file(path, spec))
    one = _of(tmp_path, warned, lambda: now[0], BlockingCalls(1, 0.02))

    async def scene() -> None:
        assert await asyncio.gather(*(_lists(one, "a@x.test") for _ in range(3))) == [False] * 3
        now[0] = 30.0
        assert not await _lists(one, "a@x.test")
        go_on.set()
        now[0] = 100.0
        while not await _lists(one, "a@x.test"):
            now[0] += 100.0

    asyncio.run(scene())
    assert [text for text in warned if "nobody is listed" in text] == warned[:1]
    assert f"{tmp_path}/recipients, {tmp_path}/recipients.local: no answer within 0.02 seconds" in warned[0]
