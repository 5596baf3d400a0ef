"""Mail that is kept in the quarantine, and let out again, in a running Gatepost with real clamd."""

from collections.abc import Iterator
from importlib.resources import files

import pytest

from gatepost.filter import rules
from tests.integration.clamav import ClamAv, base64_part, message, wrappings
from tests.integration.system import System
from tests.support.archives import PROGRAM, zipped
from tests.support.running import wait_for

MAIN = """\
filter_before_queue = yes
filter_virus_scanner = unix:{socket}
filter_virus_destiny = quarantine
filter_banned_destiny = quarantine
filter_quarantine_size_limit = 300000
filter_rules_directories = {rules}
"""


@pytest.fixture(scope="module")
def one() -> Iterator[System]:
    clamav = ClamAv()
    clamav.start()
    try:
        with System(MAIN.format(socket=clamav.socket, rules=files(rules) / "default")) as system:
            yield system
    finally:
        clamav.clean()


def kept(system: System) -> list[str]:
    """The lines of the list."""
    return system.command("quarantine", "list").stdout.splitlines()


def test_from_refusal_to_delivery(one: System) -> None:
    virus = dict(wrappings())["zip by lzma"]  # clamd does not find it in the whole message
    one.send(virus.decode())
    line = wait_for(lambda: next(iter(kept(one)), ""), lambda: one.log()[-3000:])
    name = line.split()[0]
    assert "virus" in line
    assert "<a@example.com> -> b@example.test" in line
    assert "Eicar" in one.command("quarantine", "show", name).stdout
    released = one.command("quarantine", "release", name)
    assert released.returncode == 0, released.stderr
    arrived = one.arrival(b"Content-Type: application/octet-stream; name=file.bin")
    assert virus.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n") in arrived.replace(b"\r\n", b"\n")
    assert kept(one) == []


def test_banned_files_are_kept_too(one: System) -> None:
    one.send(message(base64_part(zipped(("letter.txt", PROGRAM)), "letter.zip")).decode())
    line = wait_for(lambda: next(iter(kept(one)), ""), lambda: one.log()[-3000:])
    assert "banned" in line
    assert ".exe-ms" in line
    assert one.command("quarantine", "delete", line.split()[0]).returncode == 0
    assert kept(one) == []


def test_a_full_one_defers(one: System) -> None:
    large = message(base64_part(zipped(("letter.txt", PROGRAM)) + bytes(250_000), "letter.zip")).decode()
    with pytest.raises(Exception, match="45"):
        one.send(large)
    one.logged("the quarantine is full")
    assert kept(one) == []
